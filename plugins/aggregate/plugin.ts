import {
  type AccessKong,
  BoundedMap,
  definePlugin,
  type Host,
  type PhaseContext,
  type QueryMap,
  SluiceError,
  systemTimers,
  Type,
} from '../../sdk/sdk.ts'
import { answeredSpan, formatTraceparent, parseTraceparent } from '../../sdk/trace-context.ts'
import { AggregateConfig } from './config.ts'
import { AGGREGATE_EVENTS } from './events.ts'
import { gather } from './gather.ts'
import { type Answer, answerOf, type PartOutcome } from './outcome.ts'
import { type PlannedPart, planParts } from './plan.ts'
import type { Placeholder } from './template.ts'

/** What the answer may take beyond the parts' own time, milliseconds. */
const BEYOND_MS = 250
/** An aggregate may be part of another, and no more: each level multiplies the requests. */
const MAX_DEPTH = 1
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

interface Settings {
  readonly otlpUrl?: string
  readonly proxyUrl?: string
  readonly loopbackSecret?: string
}

interface Memory {
  readonly host: Host<Settings>
  readonly countAnswer: (outcome: Answer['kind'] | 'refused', seconds: number) => void
  readonly countPart: (outcome: PartOutcome['kind']) => void
  /** Parts that failed when they were last asked for. */
  readonly degraded: BoundedMap<boolean>
}

interface Instance {
  readonly parts: readonly PlannedPart[]
}

type Context = PhaseContext<AggregateConfig, Memory, Instance>

/** Answers one request from several others, each of which goes through Kong like one of the client's own. */
export const plugin = definePlugin({
  name: 'aggregate',
  version: '0.1.0',
  priority: 700,
  protocols: ['http', 'https'],
  onError: 'closed',
  config: AggregateConfig,
  settings: Type.Object({
    otlpUrl: Type.Optional(
      Type.String({
        env: 'SLUICE_OTLP_URL',
        description: 'collector of traces, where request-log sends spans',
      }),
    ),
    proxyUrl: Type.Optional(Type.String({ env: 'SLUICE_PROXY_URL', description: "Kong's own proxy" })),
    loopbackSecret: Type.Optional(
      Type.String({
        env: 'SLUICE_LOOPBACK_SECRET',
        secret: true,
        description: 'signs calls through it',
      }),
    ),
  }),
  deadlineMs: { access: ({ timeout_ms: timeoutMs }) => timeoutMs + BEYOND_MS },
  events: AGGREGATE_EVENTS,
  memory: createMemory,
  instance(config, { host }): Instance {
    const { proxyUrl, loopbackSecret } = host.settings
    if (proxyUrl === undefined || loopbackSecret === undefined)
      throw new SluiceError(
        'SLUICE_PLUGIN_CONFIG',
        'aggregate needs SLUICE_PROXY_URL and SLUICE_LOOPBACK_SECRET',
      )
    return { parts: planParts(config) }
  },
  phases: {
    async access(kong, context: Context) {
      const startedAt = context.memory.host.clock.monotonic()
      await checkRequest(kong, context, startedAt)
      const outcomes = await ask(kong, context)
      const answer = answerOf(context.instance.parts, outcomes)
      note(outcomes, context)
      context.memory.countAnswer(answer.kind, secondsSince(startedAt, context))
      kong.response.exit(answer.status, answer.body, {
        'Content-Type': 'application/json; charset=utf-8',
        'Cache-Control': 'private, no-cache',
        ...answer.headers,
      })
    },
  },
})

function createMemory(host: Memory['host']): Memory {
  const { metrics } = host
  const seconds = metrics.histogram('sluice_aggregate_duration_seconds', 'how long answers took', SECONDS, [
    'outcome',
  ])
  const parts = metrics.counter('sluice_aggregate_parts_total', 'parts that were asked for', ['outcome'])
  return {
    host,
    countAnswer: (outcome, duration) => seconds.with({ outcome }).observe(duration),
    countPart: outcome => parts.with({ outcome }).add(),
    degraded: new BoundedMap(10_000),
  }
}

const secondsSince = (startedAt: number, { memory }: Context) =>
  (memory.host.clock.monotonic() - startedAt) / 1_000

/** Only what can be repeated is aggregated, and no aggregate of aggregates. */
async function checkRequest(kong: AccessKong, context: Context, startedAt: number): Promise<void> {
  const [method, origin] = await Promise.all([kong.request.getMethod(), kong.loopbackOrigin()])
  const refuse = (status: number, detail: string, headers: Readonly<Record<string, string>> = {}) => {
    context.memory.countAnswer('refused', secondsSince(startedAt, context))
    kong.response.json(status, { type: 'about:blank', status, detail }, headers)
  }
  if (method !== 'GET' && method !== 'HEAD')
    refuse(405, 'Only GET and HEAD are aggregated.', { Allow: 'GET, HEAD' })
  if (origin && origin.depth > MAX_DEPTH) refuse(508, 'Aggregates lead to each other.')
}

async function ask(kong: AccessKong, context: Context): Promise<ReadonlyMap<string, PartOutcome>> {
  const { config, instance, memory } = context
  const kinds = new Set(instance.parts.flatMap(({ template }) => template).map(kindOf))
  const [query, captures, headers] = await Promise.all([
    kinds.has('query') ? kong.request.getQuery() : ({} as QueryMap),
    kinds.has('capture') ? kong.request.getUriCaptures() : undefined,
    memory.host.settings.otlpUrl === undefined ? {} : traceFields(kong),
  ])
  return gather({
    parts: instance.parts,
    ofRequest: ({ kind, name }) => (kind === 'query' ? firstOf(query[name]) : captures?.named[name]),
    call: (target, timeoutMs) => kong.loopback({ purpose: 'part', target, timeoutMs, headers }),
    now: () => memory.host.clock.monotonic(),
    timers: systemTimers,
    timeoutMs: config.timeout_ms,
    maxBytes: config.max_bytes,
  })
}

/** Makes the parts children of the span that request-log records for this request, as it is answered here. */
async function traceFields(kong: AccessKong): Promise<Readonly<Record<string, string>>> {
  const [sent, requestId] = await Promise.all([kong.request.getHeader('traceparent'), kong.requestId()])
  const parent = parseTraceparent(sent)
  const span = answeredSpan(requestId, parent)
  if (!span) return {}
  return {
    traceparent: formatTraceparent(span),
    // What vendors have noted belongs to the trace that is not continued.
    ...(sent !== undefined && !parent && { tracestate: '' }),
  }
}

const kindOf = (piece: string | Placeholder) => (typeof piece === 'string' ? undefined : piece.kind)
const firstOf = (value: unknown) => (Array.isArray(value) ? value[0] : value)

/** Counts the parts, and says once when one begins to fail or is there again. */
function note(outcomes: ReadonlyMap<string, PartOutcome>, { memory, scope }: Context): void {
  for (const [part, outcome] of outcomes) {
    memory.countPart(outcome.kind)
    const key = `${scope.pluginId} ${part}`
    // A refusal is for one client; it says nothing about the part.
    if (outcome.kind === 'failed' && outcome.status < 500) continue
    const degraded = outcome.kind === 'failed'
    if ((memory.degraded.get(key) ?? false) === degraded) continue
    memory.degraded.set(key, degraded)
    const status = outcome.kind === 'failed' ? outcome.status : 200
    void memory.host.events.publish({
      type: 'aggregate.part-degraded.v1',
      subject: `aggregate/${scope.pluginId}/${part}`,
      data: { entry: scope.pluginId, part, degraded, status },
    })
  }
}
