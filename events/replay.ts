import type { SluiceEvent } from '../sdk/event.ts'
import type { Sink, SinkRecord } from './sink.ts'
import { readSpool } from './spool/inspect.ts'
import { storedJson } from './stored-json.ts'

/** Sends the events of a spool to a sink, whatever its cursor says; returns how many. Moves no cursor. */
export async function replaySpool(folder: string, sink: Sink, sinceMs: number): Promise<number> {
  let sent = 0
  for await (const { events } of readSpool(folder, true)) {
    const records = events.filter(event => Date.parse(event.time) >= sinceMs).map(recordOf)
    if (records.length === 0) continue
    await sink.store(records, new AbortController().signal)
    sent += records.length
  }
  return sent
}

export function recordOf(event: SluiceEvent): SinkRecord {
  const { id, type, time, writer, sequence } = event
  return { id, type, time, writer, sequence, json: storedJson(event) }
}
