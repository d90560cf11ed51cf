import { number, record, type Serialized } from './serialized.ts'

/** Who made the answer: the service, Kong because no service could be reached, or Kong and its plugins. */
export type AnsweredBy = 'service' | 'error' | 'exit'

/** `source` in the log data knows only `upstream` and `kong`, so it is inferred from `tries` and status. */
export function whoAnswered(log: Serialized): AnsweredBy {
  const tries = Array.isArray(log.tries) ? log.tries.map(record) : []
  const last = tries.at(-1)
  if (!last) return 'exit'
  // With `retries: 0` Kong marks the only try as failed for any 5xx: only `source` tells that there was an answer.
  if (last.state === 'failed' && log.source !== 'upstream') return 'error'
  return log.source === 'kong' && number(record(log.latencies).proxy) === -1 ? 'exit' : 'service'
}
