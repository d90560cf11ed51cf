import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Logger } from '../../../foundation/log.ts'
import type { PdkHost } from '../pdk/call.ts'

/** Kong's words for its log levels, as pino's. */
const LEVELS = {
  alert: 'fatal',
  crit: 'fatal',
  err: 'error',
  warn: 'warn',
  notice: 'info',
  info: 'info',
  debug: 'debug',
} as const

/** The gateway as its plugins see it: they log where it does. */
export function createPdkHost(
  environment: PdkHost['environment'],
  logger: Logger,
  traffic: PdkHost['traffic'],
): PdkHost {
  return {
    hostname: hostname(),
    clusterId: environment.KONG_DATABASE === 'off' ? undefined : randomUUID(),
    environment,
    log: (level, plugin, text) => logger[LEVELS[level]]({ plugin }, text),
    traffic,
  }
}
