import type { PluginHandler } from '../proxy/plugin-chain.ts'
import { aclHandler } from './acl.ts'
import { basicAuthHandler } from './basic-auth.ts'
import { createCorrelationIdHandler } from './correlation-id.ts'
import { createJwtHandler } from './jwt.ts'
import { keyAuthHandler } from './key-auth.ts'
import { requestTerminationHandler } from './request-termination.ts'

/**
 * What the gateway's own plugins do, by name; their schemas stand in `plugins/`.
 *
 * @param now milliseconds since the epoch
 */
export function createBuiltinHandlers(now: () => number): ReadonlyMap<string, PluginHandler> {
  return new Map([
    ['acl', aclHandler],
    ['basic-auth', basicAuthHandler],
    ['correlation-id', createCorrelationIdHandler(now)],
    ['jwt', createJwtHandler(now)],
    ['key-auth', keyAuthHandler],
    ['request-termination', requestTerminationHandler],
  ])
}
