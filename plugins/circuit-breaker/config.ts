import { type InstanceScope, SluiceError, type Static, Type } from '../../sdk/sdk.ts'
import type { Policy } from './policy.ts'

const percent = (description: string, standard: number) =>
  Type.Number({ minimum: 1, maximum: 100, default: standard, description })

const milliseconds = (description: string, standard: number, minimum: number, maximum: number) =>
  Type.Integer({ minimum, maximum, default: standard, description })

const staticAnswer = Type.Object({
  status: Type.Integer({ minimum: 200, maximum: 599, default: 200, description: 'status of the response' }),
  content_type: Type.String({
    minLength: 1,
    default: 'application/json',
    description: 'its Content-Type',
  }),
  body: Type.String({ description: 'its body, sent unchanged' }),
})

const otherUpstream = Type.Object({
  scheme: Type.Union([Type.Literal('http'), Type.Literal('https')], {
    default: 'http',
    description: 'protocol of the other upstream',
  }),
  host: Type.String({ minLength: 1, description: 'host name, IP address, or name of a Kong upstream' }),
  port: Type.Integer({ minimum: 1, maximum: 65_535, description: 'port of the other upstream' }),
  path: Type.Optional(
    Type.String({ pattern: '^/', starts_with: '/', description: "path; default: the request's own" }),
  ),
})

/** What an operator may set; Kong's schema, the check and the reference are made from it. */
export const configSchema = Type.Object({
  scope: Type.Union([Type.Literal('service'), Type.Literal('route')], {
    default: 'service',
    description: 'one breaker per service or per route',
  }),
  window_type: Type.Union([Type.Literal('time'), Type.Literal('count')], {
    default: 'time',
    description: 'evaluate the calls of the last `window_ms`, or the last `window_calls` calls',
  }),
  window_ms: milliseconds('length of the time window', 10_000, 1000, 3_600_000),
  window_buckets: Type.Integer({
    minimum: 1,
    maximum: 100,
    default: 10,
    description: 'number of buckets in the time window',
  }),
  window_calls: Type.Integer({
    minimum: 1,
    maximum: 100_000,
    default: 100,
    description: 'length of the count window; if below `minimum_calls`, it replaces that',
  }),
  minimum_calls: Type.Integer({
    minimum: 1,
    maximum: 1_000_000,
    default: 20,
    description: 'rates are evaluated from this many calls in the window on',
  }),
  failure_rate: percent('percentage of failed calls that opens the breaker', 50),
  slow_call_ms: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 3_600_000,
      description: 'a call that takes longer is slow; default: none is',
    }),
  ),
  slow_call_rate: percent('percentage of slow calls that opens the breaker', 80),
  connection_failures: Type.Integer({
    minimum: 0,
    maximum: 10_000,
    default: 5,
    description: 'consecutive calls without a response (refused, reset, timed out) that open it; 0: never',
  }),
  failure_statuses: Type.Array(Type.Integer({ minimum: 400, maximum: 599 }), {
    default: [500, 502, 503, 504],
    description: 'upstream statuses that count as failures',
  }),
  quorum_nodes: Type.Integer({
    minimum: 1,
    maximum: 1000,
    default: 3,
    description:
      'the cluster opens when more than half of the live nodes see the failures, or this many of them',
  }),
  open_ms: milliseconds(
    'how long it stays open at first; doubles with each failed recovery',
    5000,
    1,
    3_600_000,
  ),
  max_open_ms: milliseconds('maximum open time', 300_000, 1, 86_400_000),
  open_jitter: Type.Number({
    minimum: 0,
    maximum: 1,
    default: 0.2,
    description: 'the open time is extended by a random share of up to this',
  }),
  half_open_permits: Type.Integer({
    minimum: 1,
    maximum: 10_000,
    default: 3,
    description: 'number of probes, over all nodes, that decide about the recovery',
  }),
  probe_timeout_ms: milliseconds(
    'how long a probe holds its permit; a stream that has not failed by then counts as a success',
    60_000,
    1,
    3_600_000,
  ),
  recovery_ms: milliseconds(
    'duration of the ramp from 10 to 100 % of the requests; 0: no ramp',
    10_000,
    0,
    3_600_000,
  ),
  shadow: Type.Boolean({ default: false, description: 'decide, count and publish, but never reject' }),
  fallback: Type.Optional(
    Type.Object(
      { static: Type.Optional(staticAnswer), upstream: Type.Optional(otherUpstream) },
      {
        description: 'what a rejected request gets instead of 503: a static response or another upstream',
        kong: { entity_checks: [{ only_one_of: ['static', 'upstream'] }] },
      },
    ),
  ),
  on_error: Type.Union([Type.Literal('open'), Type.Literal('closed')], {
    default: 'open',
    description: 'when the plugin itself fails: open lets the request pass, closed answers 503',
  }),
})

export type Config = Static<typeof configSchema>
export type StaticAnswer = Static<typeof staticAnswer>
export type OtherUpstream = Static<typeof otherUpstream>

/** The form of a node's window. */
export type WindowShape =
  | { readonly type: 'time'; readonly windowMs: number; readonly buckets: number }
  | { readonly type: 'count'; readonly calls: number }

/** A checked configuration in the units of the state machine. */
export interface Settings {
  readonly scope: 'service' | 'route'
  readonly policy: Policy
  readonly window: WindowShape
  readonly slowCallMs: number | undefined
  readonly failureStatuses: ReadonlySet<number>
  readonly shadow: boolean
  readonly fallback: { readonly static: StaticAnswer } | { readonly upstream: OtherUpstream } | undefined
}

/** A node whose report is older has gone, or its traffic has. */
const LIVE_MS = 2000

/**
 * Checks what Kong's schema language can't say, and converts the rest.
 *
 * @throws SluiceError SLUICE_PLUGIN_CONFIG that names the field.
 */
export function readConfig(config: Config, scope: InstanceScope): Settings {
  if (scope.consumerId !== undefined)
    refuse('consumer', 'a breaker belongs to a service or a route, not to a consumer')
  if (config.max_open_ms < config.open_ms)
    refuse('max_open_ms', `${config.max_open_ms} is below open_ms (${config.open_ms})`)
  if (config.failure_statuses.length === 0 && config.connection_failures === 0 && !config.slow_call_ms)
    refuse('failure_statuses', 'is empty, and nothing else could open the breaker')
  return {
    scope: config.scope,
    window:
      config.window_type === 'time'
        ? { type: 'time', windowMs: config.window_ms, buckets: config.window_buckets }
        : { type: 'count', calls: config.window_calls },
    slowCallMs: config.slow_call_ms ?? undefined,
    failureStatuses: new Set(config.failure_statuses),
    shadow: config.shadow,
    fallback: readFallback(config.fallback ?? undefined),
    policy: {
      failureRate: config.failure_rate / 100,
      slowCallRate: config.slow_call_rate / 100,
      minimumCalls:
        config.window_type === 'count'
          ? Math.min(config.minimum_calls, config.window_calls)
          : config.minimum_calls,
      connectionFailures: config.connection_failures,
      quorumNodes: config.quorum_nodes,
      openMs: config.open_ms,
      maxOpenMs: config.max_open_ms,
      openJitter: config.open_jitter,
      permits: config.half_open_permits,
      probeMs: config.probe_timeout_ms,
      recoveryMs: config.recovery_ms,
      liveMs: LIVE_MS,
    },
  }
}

function readFallback(fallback: Config['fallback']): Settings['fallback'] {
  if (fallback === undefined) return undefined
  const { static: answer, upstream } = fallback
  if (answer && upstream) refuse('fallback', 'has both a static answer and an upstream; keep one')
  if (answer) return { static: answer }
  if (upstream) return { upstream }
  return refuse('fallback', 'points nowhere: give it `static` or `upstream`')
}

function refuse(field: string, reason: string): never {
  throw new SluiceError('SLUICE_PLUGIN_CONFIG', `config.${field}: ${reason}`, {
    details: { field: `config.${field}` },
  })
}
