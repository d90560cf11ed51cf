import { type AccessKong, definePlugin, type InstanceScope, type LogKong } from '../../sdk/sdk.ts'
import type { ProbeKind } from './breaker.ts'
import { classify, MARK } from './classify.ts'
import { configSchema, readConfig } from './config.ts'
import { BREAKER_EVENTS } from './events.ts'
import { BreakerRegistry, type Decision } from './registry.ts'
import type { Configured, RegistryEntry } from './registry-entry.ts'
import { respond } from './respond.ts'

/** What an instance keeps beside its configuration. */
interface Instance extends Configured {
  /** The breaker's key where the entry in Kong is bound to what the breaker protects; else it depends on the request. */
  readonly key: string | undefined
}

/** The circuit breaker: rejects at once what its upstream could not serve, and finds out gently when it can again. */
export const plugin = definePlugin({
  name: 'circuit-breaker',
  version: '0.1.0',
  priority: 900,
  protocols: ['http', 'https', 'grpc', 'grpcs'],
  noScope: ['consumer'],
  onError: 'open',
  config: configSchema,
  events: BREAKER_EVENTS,
  needs: { log: ['log.serialize'] },
  endsLogFirst: true,
  memory: host => new BreakerRegistry(host).start(),
  instance: (config, { memory, scope }): Instance => {
    const settings = readConfig(config, scope)
    return { ...memory.configure(settings), key: ownKey(settings.scope, scope) }
  },
  phases: {
    access(kong, { memory, instance }) {
      // Nothing is asked of Kong here while the breaker is closed: that is what makes it cheap.
      if (instance.key === undefined) return accessByRequest(kong, memory, instance)
      return access(kong, memory, instance, memory.open(instance.key, instance))
    },
    async log(kong, { memory, instance }) {
      recordOutcome(await kong.log.serialize(), memory, instance)
    },
  },
})

function ownKey(kind: 'service' | 'route', scope: InstanceScope): string | undefined {
  const id = kind === 'service' ? scope.serviceId : scope.routeId
  return id === undefined ? undefined : `${kind}:${id}`
}

async function accessByRequest(
  kong: AccessKong,
  registry: BreakerRegistry,
  instance: Instance,
): Promise<void> {
  const kind = instance.settings.scope
  const entity = await (kind === 'service' ? kong.router.getService() : kong.router.getRoute())
  // A route without a service has no upstream to protect.
  if (entity === undefined) return
  await access(kong, registry, instance, registry.open(`${kind}:${entity.id}`, instance, entity.name))
}

function access(
  kong: AccessKong,
  registry: BreakerRegistry,
  { settings }: Instance,
  entry: RegistryEntry,
): void | Promise<void> {
  const decision = registry.decide(entry, () => kindOf(kong))
  const act = (decided: Decision) => actOn(decided, kong, { registry, entry, settings })
  return decision instanceof Promise ? decision.then(act) : act(decision)
}

interface Place {
  readonly registry: BreakerRegistry
  readonly entry: RegistryEntry
  readonly settings: Instance['settings']
}

function actOn(
  decision: Decision,
  kong: AccessKong,
  { registry, entry, settings }: Place,
): void | Promise<void> {
  if (decision.kind === 'pass') return
  if (decision.kind === 'probe') {
    kong.log.setSerializeValue(MARK, decision.mark)
    return
  }
  if (settings.shadow || registry.isObserving(entry)) {
    registry.count(entry, 'shadow')
    return
  }
  return respond(kong, { registry, entry, fallback: settings.fallback, retryAfterMs: decision.retryAfterMs })
}

/** A WebSocket and a server-sent stream are logged when they end, so their silence means something else. */
async function kindOf(kong: AccessKong): Promise<ProbeKind> {
  const { upgrade, accept } = await kong.request.getHeaders()
  const isStream = /^websocket$/i.test(String(upgrade)) || /\btext\/event-stream\b/i.test(String(accept))
  return isStream ? 'stream' : 'request'
}

type Log = Awaited<ReturnType<LogKong['log']['serialize']>>

function recordOutcome(log: Log, registry: BreakerRegistry, instance: Instance): void {
  registry.countLogEvent(log)
  const { settings } = instance
  const entity = log[settings.scope] as { id?: unknown; name?: unknown } | undefined
  const key = instance.key ?? (typeof entity?.id === 'string' ? `${settings.scope}:${entity.id}` : undefined)
  if (key === undefined) return
  const name = typeof entity?.name === 'string' ? entity.name : undefined
  const call = classify(log, settings.failureStatuses)
  const slow =
    settings.slowCallMs !== undefined && call.outcome !== 'none' && call.upstreamMs > settings.slowCallMs
  registry.record(registry.open(key, instance, name), call, slow)
}
