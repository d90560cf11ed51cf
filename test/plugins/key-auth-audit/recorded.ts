import { readFileSync } from 'node:fs'

/** One of the 30 outcomes that were recorded from a real Kong 3.9.3. */
export interface RecordedOutcome {
  readonly case: string
  readonly source: string
  // biome-ignore lint/suspicious/noExplicitAny: tests change any part of it
  readonly log: Record<string, any>
}

const FILE = new URL('../../contract/kong-reference/pdk/log-outcomes.jsonl', import.meta.url)

export const RECORDED: readonly RecordedOutcome[] = readFileSync(FILE, 'utf8')
  .trim()
  .split('\n')
  .map(line => JSON.parse(line) as RecordedOutcome)

/** A copy, free to be changed. */
export function recorded(name: string): RecordedOutcome['log'] {
  const found = RECORDED.find(each => each.case === name)
  if (!found) throw new Error(`no outcome ${name} was recorded`)
  return structuredClone(found.log)
}
