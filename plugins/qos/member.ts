/**
 * qos as a member of the composed plugin `sluice`: there is a log phase there, which shows how long the upstream took,
 * so that concurrency can be bounded and the lowest priorities shed. Alone, qos has no log phase: it would cost Kong
 * more than all the rest.
 */
import {
  type AccessKong,
  definePlugin,
  type Host,
  type InstanceScope,
  type PhaseContext,
  type Undo,
} from '../../sdk/sdk.ts'
import { reject, SHED } from './answer.ts'
import type { Caller } from './caller.ts'
import { type ComposedConfig, composedSchema } from './config.ts'
import { longestLifeMs } from './in-flight.ts'
import type { UpstreamAnswer } from './overload.ts'
import { createInstance, createMemory, limit, plugin, type QosInstance, type QosMemory } from './plugin.ts'
import { withRollback } from './rollback.ts'
import { type Mark, Shedding } from './shedding.ts'

/** Joins the log event to the access event: where the slot stands in `log.serialize`. */
const MARK = 'sluice.qos'

interface Memory extends QosMemory {
  readonly shedding: Shedding
}

interface Instance extends QosInstance {
  /** Whether anything here depends on what is in flight. */
  readonly watches: boolean
}

type Context = PhaseContext<ComposedConfig, Memory, Instance>

export const member = definePlugin({
  ...plugin,
  config: composedSchema,
  memory(host: Host): Memory {
    const memory = createMemory(host)
    const shedding = new Shedding(host)
    return {
      ...memory,
      shedding,
      async close() {
        shedding.close()
        await memory.close()
      },
    }
  },
  instance(config: ComposedConfig, context: { readonly scope: InstanceScope }): Instance {
    const made = createInstance(config, context)
    const tiers = [...made.policy.tiers.values()]
    const watches = config.overload !== undefined || tiers.some(tier => tier.concurrency !== undefined)
    return { ...made, watches }
  },
  needs: { ...plugin.needs, log: ['log.serialize'] },
  endsLogFirst: true,
  phases: {
    access: (kong, context: Context) =>
      withRollback(async undos => {
        const caller = await limit(kong, context, undos)
        if (context.instance.watches) await enter(kong, context, caller, undos)
      }),
    async log(kong, { memory, instance }: Context) {
      if (!instance.watches) return
      const log = await kong.log.serialize()
      const mark = (log.sluice as { qos?: Mark } | undefined)?.qos
      if (mark) memory.shedding.leave(mark, upstreamAnswer(log))
    },
  },
})

/** Takes a slot of the service, or sheds the request. */
async function enter(
  kong: AccessKong,
  { config, scope, memory }: Context,
  caller: Caller,
  undos: Undo[],
): Promise<void> {
  const service = scope.serviceId ?? (await kong.router.getService())?.id
  // A route without a service has no upstream to protect.
  if (service === undefined) return
  const { subject } = caller
  const tier = await tierOf(kong, caller)
  const { shedding } = memory
  const lifeMs = tier.concurrency === undefined ? undefined : await lifeOf(kong, service, shedding)
  const admission = shedding.enter(service, config.overload, { tier, subject, ...(lifeMs && { lifeMs }) })
  if (admission.outcome === 'shed')
    return reject(kong, SHED[admission.reason], config.error_format, {
      'Retry-After': admission.retryAfterSeconds,
    })
  const mark: Mark = { slot: admission.slot, boot: shedding.boot, service }
  undos.push(() => shedding.leave(mark, undefined))
  kong.log.setSerializeValue(MARK, { ...mark })
}

/** A part of an aggregate takes no slot: the client's own request holds one, and waits for it. */
async function tierOf(kong: AccessKong, { tier }: Caller): Promise<Caller['tier']> {
  if (tier.concurrency === undefined) return tier
  const origin = await kong.loopbackOrigin()
  return origin?.purpose === 'part' ? { ...tier, concurrency: undefined } : tier
}

/** How long this request may count against its subject. */
async function lifeOf(kong: AccessKong, service: string, shedding: Shedding): Promise<number> {
  const [bounds, headers] = await Promise.all([
    shedding.boundsOf(service, () => kong.router.getService()),
    kong.request.getHeaders(),
  ])
  return longestLifeMs(bounds, headers)
}

type Log = Readonly<Record<string, unknown>>

/** What the upstream's answer says of its load; undefined where it was not reached or did not answer. */
function upstreamAnswer(log: Log): UpstreamAnswer {
  if (log.source !== 'upstream') return undefined
  const { status } = (log.response ?? {}) as { status?: number }
  if (status === 503 || status === 429) return 'refused'
  const { proxy } = (log.latencies ?? {}) as { proxy?: number }
  return proxy !== undefined && proxy >= 0 ? proxy : undefined
}
