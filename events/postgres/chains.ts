import type { Client } from 'pg'
import type { SluiceEvent } from '../../sdk/event.ts'
import { type ChainEntry, type ChainReport, ChainVerifier, type Checkpoint } from '../verify.ts'

const PAGE = 2_000

/** The places of a writer's chain, wherever they are kept. */
const ENTRIES = `
  select sequence::float8 as sequence, encode(chain, 'hex') as chain, null as digest, null::bytea as payload,
         to_char(time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') as time, id, type, subject, node, data
    from gateway_events where writer = $1 and sequence > $2
  union all
  select sequence::float8, null, encode(digest, 'hex'), null, null, null, null, null, null, null
    from gateway_event_repeats where writer = $1 and sequence > $2
  union all
  select sequence::float8, null, null, payload, null, null, null, null, null, null
    from gateway_events_rejected where writer = $1 and sequence > $2
  order by 1 limit ${PAGE}`

interface Row {
  readonly sequence: number
  readonly chain: string | null
  readonly digest: string | null
  readonly payload: Buffer | null
  readonly time: string
  readonly id: string
  readonly type: string
  readonly subject: string
  readonly node: string
  readonly data: Record<string, unknown>
}

export interface VerifyOptions {
  /** Only this writer. */
  readonly writer?: string
  /** From the log, or from wherever they were kept. */
  readonly checkpoints?: readonly Checkpoint[]
}

/**
 * Verifies the chains in the event tables, writer by writer.
 *
 * A chain starts at its first event or, where retention has dropped that, at the checkpoint that was kept then. Where
 * it must have got to at least is known from the given checkpoints, and from the process that took a spool over.
 */
export async function* verifyChains(
  client: Client,
  options: VerifyOptions = {},
): AsyncGenerator<ChainReport> {
  const writers = new Set(options.checkpoints?.map(checkpoint => checkpoint.writer))
  const { rows } = await client.query<{ writer: string }>(LIST_WRITERS)
  for (const { writer } of rows) writers.add(writer)
  for (const writer of [...writers].sort())
    if (options.writer === undefined || options.writer === writer)
      yield await verifyWriter(
        client,
        writer,
        options.checkpoints?.filter(each => each.writer === writer),
      )
}

/** A walk from writer to writer over the index, instead of one over all events. */
const LIST_WRITERS = `
  with recursive writers(writer) as (
    (select writer from gateway_events order by writer limit 1)
    union all
    select (select e.writer from gateway_events e where e.writer > w.writer order by e.writer limit 1)
      from writers w where w.writer is not null)
  select writer from writers where writer is not null`

async function verifyWriter(
  client: Client,
  writer: string,
  checkpoints: readonly Checkpoint[] = [],
): Promise<ChainReport> {
  const start = await startOf(client, writer)
  const adopted = await adoptionOf(client, writer)
  const verifier = new ChainVerifier(writer, {
    ...(start ? { start } : {}),
    checkpoints: [...checkpoints, ...adopted],
  })
  let after = start?.sequence ?? 0
  for (;;) {
    const { rows } = await client.query<Row>(ENTRIES, [writer, after])
    for (const row of rows) verifier.add(entryOf(writer, row))
    if (rows.length < PAGE) return verifier.finish()
    after = rows.at(-1)?.sequence ?? after
  }
}

async function startOf(client: Client, writer: string): Promise<Checkpoint | undefined> {
  const { rows } = await client.query<{ sequence: number; chain: string }>(
    `select sequence::float8 as sequence, encode(chain, 'hex') as chain from gateway_event_checkpoints
      where writer = $1 order by sequence desc limit 1`,
    [writer],
  )
  return rows[0] && { writer, ...rows[0] }
}

async function adoptionOf(client: Client, writer: string): Promise<Checkpoint[]> {
  const { rows } = await client.query<{ sequence: number; chain: string }>(
    `select (data ->> 'sequence')::float8 as sequence, data ->> 'chain' as chain from gateway_events
      where type = 'events.spool-adopted.v1' and subject = $1`,
    [writer],
  )
  return rows.filter(row => row.sequence > 0).map(row => ({ writer, ...row }))
}

function entryOf(writer: string, row: Row): ChainEntry {
  const { sequence } = row
  if (row.digest !== null) return { sequence, chain: undefined, content: { digest: row.digest } }
  if (row.payload !== null) return rejectedEntry(sequence, row.payload)
  const content: Partial<SluiceEvent> = {
    specversion: '1.0',
    id: row.id,
    type: row.type,
    source: `/sluice/${row.node}`,
    subject: row.subject,
    // Events have whole milliseconds; anything finer was added.
    time: row.time.endsWith('000') ? `${row.time.slice(0, -3)}Z` : `${row.time}Z`,
    datacontenttype: 'application/json',
    node: row.node,
    writer,
    sequence,
    data: row.data,
  }
  return { sequence, chain: row.chain ?? undefined, content }
}

function rejectedEntry(sequence: number, payload: Buffer): ChainEntry {
  try {
    const event = JSON.parse(payload.toString()) as SluiceEvent
    return { sequence, chain: event.chain, content: event }
  } catch {
    return { sequence, chain: undefined, content: undefined }
  }
}
