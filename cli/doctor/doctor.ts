import type { Check } from './check.ts'
import { checkDump } from './dump.ts'
import { checkPostgres, checkRabbit, checkSpool } from './events.ts'
import { checkInstances } from './instances.ts'
import { checkKong } from './kong.ts'
import { checkLoopback } from './loopback.ts'
import { checkMachine } from './machine.ts'
import { checkRequestLog } from './request-log.ts'
import { checkSocket } from './socket.ts'
import { checkRedis } from './stores.ts'
import { checkToken } from './token.ts'

/** All checks, in the order of the report. */
export const CHECKS: Readonly<Record<string, Check>> = {
  machine: checkMachine,
  dump: checkDump,
  socket: checkSocket,
  kong: checkKong,
  instances: checkInstances,
  redis: checkRedis,
  spool: checkSpool,
  postgresql: checkPostgres,
  rabbitmq: checkRabbit,
  token: checkToken,
  requestLog: checkRequestLog,
  loopback: checkLoopback,
}
