import { digestOf, genesis, link } from '../../events/chain.ts'
import { recordOf } from '../../events/replay.ts'
import type { SinkRecord } from '../../events/sink.ts'
import { derivedId } from '../../events/stamp.ts'
import type { SluiceEvent } from '../../sdk/event.ts'

export const NOON_MS = Date.UTC(2026, 10, 20, 12)

export interface RecordOptions {
  readonly writer?: string
  readonly startMs?: number
  readonly type?: string
  readonly data?: (sequence: number) => Record<string, unknown>
}

/** The events of a writer, chained as the real one chains them; one a second. */
export function makeEvents(count: number, options: RecordOptions = {}): SluiceEvent[] {
  const writer = options.writer ?? '00000000000000aa'
  const type = options.type ?? 'test.happened.v1'
  let chain = genesis(writer)
  return Array.from({ length: count }, (_, i) => {
    const sequence = i + 1
    const timeMs = (options.startMs ?? NOON_MS) + i * 1000
    const event = {
      specversion: '1.0',
      id: derivedId(timeMs, type, `${writer}:${sequence}`),
      type,
      source: '/sluice/test',
      subject: `thing/${sequence}`,
      time: new Date(timeMs).toISOString(),
      datacontenttype: 'application/json',
      node: 'test',
      writer,
      sequence,
      data: options.data?.(sequence) ?? { sequence },
    } as const
    chain = link(chain, digestOf(event))
    return { ...event, chain }
  })
}

export const makeRecords = (count: number, options: RecordOptions = {}): SinkRecord[] =>
  makeEvents(count, options).map(recordOf)

export { recordOf }
