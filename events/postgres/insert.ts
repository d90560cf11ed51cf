import type { Client } from 'pg'
import { digestOf } from '../chain.ts'
import type { SinkRecord } from '../sink.ts'

const INSERT = `
  insert into gateway_events (time, id, type, subject, node, writer, sequence, chain, data)
  select time, id, type, subject, node, writer, sequence, decode(chain, 'hex'), data
  from jsonb_to_recordset($1::jsonb) as e(
    time timestamptz, id uuid, type text, subject text, node text, writer text, sequence bigint, chain text, data jsonb)
  on conflict do nothing`

const KEEP_REPEATS = `
  insert into gateway_event_repeats (writer, sequence, time, id, digest)
  select e.writer, e.sequence, e.time, e.id, decode(e.digest, 'hex')
  from jsonb_to_recordset($1::jsonb) as e(writer text, sequence bigint, time timestamptz, id uuid, digest text)
  where not exists (
    select from gateway_events g
    where g.time = e.time and g.id = e.id and g.writer = e.writer and g.sequence = e.sequence)
  on conflict do nothing`

const REJECT = `
  insert into gateway_events_rejected (writer, sequence, id, reason, sqlstate, payload)
  values ($1, $2, $3, $4, $5, $6)
  on conflict do nothing`

/** One statement a batch; the JSON text of the spool goes in as it is. */
export async function insertEvents(client: Client, records: readonly SinkRecord[]): Promise<void> {
  const array = `[${records.map(record => record.json).join(',')}]`
  const { rowCount } = await client.query({ name: 'insert-events', text: INSERT, values: [array] })
  if (rowCount === records.length) return
  // Some were there: sent again by the relay, or written twice by their publishers.
  const copies = records.map(({ writer, sequence, time, id, json }) => ({
    writer,
    sequence,
    time,
    id,
    digest: digestOf(JSON.parse(json)),
  }))
  await client.query(KEEP_REPEATS, [JSON.stringify(copies)])
}

/** Puts a record aside that PostgreSQL does not take; as bytes, since its text may be what is wrong. */
export async function keepRejected(
  client: Client,
  record: SinkRecord,
  reason: string,
  sqlstate: string,
): Promise<void> {
  const payload = Buffer.from(record.json)
  await client.query(REJECT, [
    String(record.writer).replaceAll('\0', ''),
    Number(record.sequence) || 0,
    String(record.id).replaceAll('\0', ''),
    reason,
    sqlstate,
    payload,
  ])
}

/**
 * Whether an error is about what a record holds, not about the server's state: data exceptions, violated
 * constraints, and limits such as the size of an index entry.
 */
export function isContentError(error: unknown): error is Error & { readonly code: string } {
  const code = (error as { code?: unknown }).code
  return typeof code === 'string' && /^(22|23|54)...$/.test(code)
}

/** The time of a record lies in no partition. */
export function lacksPartition(error: unknown): boolean {
  return (
    (error as { code?: unknown }).code === '23514' && /no partition/.test(String((error as Error).message))
  )
}
