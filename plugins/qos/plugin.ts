import {
  type AccessKong,
  definePlugin,
  type Host,
  type InstanceScope,
  type PhaseContext,
  type SharedContext,
  systemTimers,
  type Undo,
} from '../../sdk/sdk.ts'
import { refusalOf, reject } from './answer.ts'
import { type Caller, readCaller, scopeName, withConsumer } from './caller.ts'
import { type ComposedConfig, type Config, configSchema } from './config.ts'
import { Decider } from './decider.ts'
import { QOS_EVENTS } from './events.ts'
import { type Fields, limitFields, retryAfterSeconds } from './fields.ts'
import { keyOf } from './limit-admin.ts'
import { createPolicy, type Policy } from './policy.ts'
import { Reporter } from './reporter.ts'
import type { Request } from './request.ts'
import { withRollback } from './rollback.ts'
import { remainingOf, type Verdict } from './verdict.ts'

/** What the plugin remembers in a process: accounts, tokens, refusals; never bound to an instance. */
export interface QosMemory {
  readonly host: Host
  readonly decider: Decider
  readonly reporter: Reporter
  close(): Promise<void>
}

/** One configuration at one place in Kong. */
export interface QosInstance {
  readonly policy: Policy
  readonly scope: string
}

export function createMemory(host: Host): QosMemory {
  const reporter = new Reporter(host, systemTimers)
  const decider = new Decider({
    store: host.store,
    clock: host.clock,
    onDegraded: (degraded, reason) => {
      host.log.warn(
        { degraded, reason },
        degraded ? 'limits are decided without Redis' : 'Redis decides again',
      )
      reporter.storeDegraded(degraded, reason, host.store.peers.processes)
    },
    onChanged: change => reporter.limitsChanged(change),
  })
  return {
    host,
    decider,
    reporter,
    async close() {
      reporter.close()
      await decider.close()
    },
  }
}

export function createInstance(
  config: Config | ComposedConfig,
  { scope }: { readonly scope: InstanceScope },
): QosInstance {
  return { policy: createPolicy(config), scope: scopeName(scope) }
}

/** Rate limiting: tiers, several limits at once, shared by all nodes. Two PDK calls a request or fewer, see README.md. */
export const plugin = definePlugin({
  name: 'qos',
  version: '1.0.0',
  priority: 905,
  config: configSchema,
  protocols: ['grpc', 'grpcs', 'http', 'https'],
  onError: 'open',
  // The handler waits for Kong and for Redis, and for Redis as long as SLUICE_REDIS_DEADLINE_MS says: 10 s at most.
  deadlineMs: { access: 11_000 },
  events: QOS_EVENTS,
  needs: {
    access: ({ instance }: SharedContext<unknown, QosMemory, QosInstance>) =>
      instance.policy.needsConsumer ? ['client.getConsumer'] : [],
  },
  memory: createMemory,
  instance: createInstance,
  phases: {
    access: (kong, context) => withRollback(undos => limit(kong, context, undos)),
  },
})

type Context = PhaseContext<Config, QosMemory, QosInstance>

/** Decides by the limits; a request that is over them is answered here. */
export async function limit(
  kong: AccessKong,
  { config, scope, memory, instance }: Context,
  undos: Undo[],
): Promise<Caller> {
  const { policy } = instance
  const { clock, random } = memory.host
  const caller = await readCaller(kong, policy, scope)
  const limitSet = caller.tier.limitSet(clock.now())
  const key = keyOf(instance.scope, caller.subject)
  const request: Request = {
    key,
    limitSet,
    cost: caller.cost,
    onStoreError: caller.tier.onStoreError,
    leaseTolerance: config.sync === 'leased' ? config.lease_tolerance : undefined,
  }
  const decided = memory.decider.decide(request)
  const verdict = decided instanceof Promise ? await decided : decided
  // Let through undecided, it has debited nothing: where the call comes late after all, the ledger gives that back.
  if (verdict.outcome === 'admitted' && verdict.by !== 'open')
    undos.push(() => memory.decider.giveBack(request))
  const isKnown = verdict.states.length > 0
  const remaining = isKnown ? verdict.limits.map((_, i) => remainingOf(verdict, i)) : []
  const { shadow, near_limit: nearLimit } = config
  const { reporter } = memory
  const isNews = !policy.needsConsumer && reporter.isNews(verdict, remaining, { key, nearLimit })
  const named = isNews ? await withConsumer(kong, policy, caller) : caller
  reporter.report(verdict, remaining, { key, scope: instance.scope, caller: named, shadow, nearLimit })
  if (verdict.outcome !== 'admitted' && !shadow)
    await reject(
      kong,
      refusalOf(verdict),
      config.error_format,
      rejectionFields(config, verdict, remaining, random),
    )
  if (isKnown && !config.hide_client_headers)
    kong.response.setHeaders(limitFields(verdict, remaining, config.kong_headers))
  return caller
}

/** The fields of an answer that rejects a request. */
function rejectionFields(
  config: Config | ComposedConfig,
  verdict: Verdict,
  remaining: readonly number[],
  random: () => number,
): Fields {
  const { outcome, retryMicros } = verdict
  const isKnown = outcome === 'refused' && remaining.length > 0
  const fields = isKnown ? limitFields(verdict, remaining, config.kong_headers) : {}
  if (retryMicros !== undefined)
    fields['Retry-After'] = retryAfterSeconds(retryMicros, config.retry_jitter, random)
  return fields
}
