/** What a finished request says about its upstream. */
export type Outcome =
  | 'success'
  /** The upstream answered with a status that counts as a failure. */
  | 'failure'
  /** It gave no answer: refused, reset or timed out. */
  | 'unreachable'
  /** It says nothing: Kong or a plugin answered, or the client left. */
  | 'none'

export interface Call {
  readonly outcome: Outcome
  /** How long the upstream took to begin its answer, milliseconds. */
  readonly upstreamMs: number
  /** When Kong received the request, milliseconds since the epoch. */
  readonly startedAtMs: number
  /** What the access phase of this request noted. */
  readonly mark: string | undefined
}

type Log = Readonly<Record<string, unknown>>

/** Where the access phase leaves a note for the log phase of its request. */
export const MARK = 'sluice.breaker'

/**
 * Reads the outcome from what `kong.log.serialize` gives. The facts are recorded from Kong 3.9.3
 * (test/contract/kong-reference/pdk/log-outcomes.jsonl):
 *
 * - an answer that Kong or a plugin made has no tries, and neither has an empty balancer pool;
 * - a try that failed has `state: failed`, and so has the last one that Kong may make (with `retries: 0` the only one)
 *   when its answer is a 5xx: only `source` tells that there was an answer;
 * - `upstream_status` lists the status of every try, so the last one is the answer's, also where a plugin has
 *   changed the status since;
 * - a client that left has status 499, and `-` for the upstream's.
 */
export function classify(log: Log, failureStatuses: ReadonlySet<number>): Call {
  return {
    outcome: outcomeOf(log, failureStatuses),
    upstreamMs: numberIn(record(log.latencies).proxy) ?? -1,
    startedAtMs: numberIn(log.started_at) ?? 0,
    mark: markIn(log),
  }
}

function outcomeOf(log: Log, failureStatuses: ReadonlySet<number>): Outcome {
  const tries = log.tries
  if (!Array.isArray(tries) || tries.length === 0) return 'none'
  const answered = lastStatus(log.upstream_status)
  if (record(log.response).status === CLIENT_LEFT && answered === undefined) return 'none'
  if (record(tries[tries.length - 1]).state === 'failed' && log.source !== 'upstream') return 'unreachable'
  if (answered === undefined) return 'none'
  return failureStatuses.has(answered) ? 'failure' : 'success'
}

const CLIENT_LEFT = 499

/** nginx lists one status a try: `502, 200`; a group after an internal redirect stands behind ` : `. */
function lastStatus(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  if (typeof value !== 'string') return undefined
  const last = /(?:^|[,:])\s*(\d{3})\s*$/.exec(value)?.[1]
  return last === undefined ? undefined : Number(last)
}

function markIn(log: Log): string | undefined {
  const mark = record(log.sluice).breaker
  return typeof mark === 'string' ? mark : undefined
}

const numberIn = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)

const record = (value: unknown): Log => (typeof value === 'object' && value !== null ? (value as Log) : EMPTY)
const EMPTY: Log = {}
