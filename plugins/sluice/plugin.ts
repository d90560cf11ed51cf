import { composePlugins } from '../../sdk/sdk.ts'
import { plugin as circuitBreaker } from '../circuit-breaker/plugin.ts'
import { plugin as keyAuthAudit } from '../key-auth-audit/plugin.ts'
import { member as qos } from '../qos/member.ts'
import { plugin as requestLog } from '../request-log/plugin.ts'
import { plugin as upstreamToken } from '../upstream-token/plugin.ts'

/** All of them in one access event and one log event; see docs/composed.md for what that saves. */
export const plugin = composePlugins('sluice', '0.1.0', [
  qos,
  circuitBreaker,
  upstreamToken,
  requestLog,
  keyAuthAudit,
])
