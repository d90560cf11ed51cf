/** A stored answer, and how it travels to Redis. */
import type { HeaderMap } from '../../sdk/sdk.ts'
import { type Lifetime, lastsMs } from './policy.ts'

/** What is known of an answer wherever it lies. */
export interface Stored {
  /** Name of all variants; of the path; see key.ts. */
  readonly primary: string
  readonly path: string
  readonly host: string
  readonly target: string
  readonly tags: readonly string[]
  readonly status: number
  readonly headers: HeaderMap
  readonly lifetime: Lifetime
  /** Generation of its path when it was asked for: another one since makes it invalid. */
  readonly generation: string
  /** Of the request that fetched it: tells one fetch from another. */
  readonly token: string
  /** Sequence of the last purge that was known when it was asked for: later ones may concern it. */
  readonly sequence: number
}

export interface Entry extends Stored {
  readonly body: Uint8Array
  /** When its age was 0, by this process's monotonic clock, milliseconds. */
  readonly bornMs: number
}

/** What lies under a name in Redis. */
export type StoredRecord =
  | { readonly kind: 'answer'; readonly stored: Stored; readonly body: Uint8Array }
  /** The answer varies: these fields of the request lead to it. */
  | { readonly kind: 'vary'; readonly names: readonly string[] }
  /** Its answers can't be stored: nobody waits for one. */
  | { readonly kind: 'uncacheable' }

const FORMAT = 1
const HEAD_BYTES = 5

/** Format, length of the JSON, JSON, body. */
export function encode(record: StoredRecord): Uint8Array {
  const { body, head } =
    record.kind === 'answer'
      ? { body: record.body, head: { kind: record.kind, stored: record.stored } }
      : { body: NOTHING, head: record }
  const json = Buffer.from(JSON.stringify(head))
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + json.length + body.length)
  bytes.writeUInt8(FORMAT, 0)
  bytes.writeUInt32LE(json.length, 1)
  json.copy(bytes, HEAD_BYTES)
  bytes.set(body, HEAD_BYTES + json.length)
  return bytes
}

const NOTHING = new Uint8Array(0)

/** @returns undefined for what another version has written, or somebody else. */
export function decode(bytes: Uint8Array): StoredRecord | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (buffer.length < HEAD_BYTES || buffer[0] !== FORMAT) return undefined
  const end = HEAD_BYTES + buffer.readUInt32LE(1)
  try {
    const head = JSON.parse(buffer.toString('utf8', HEAD_BYTES, end)) as StoredRecord
    return head.kind === 'answer' ? { ...head, body: buffer.subarray(end) } : head
  } catch {
    return undefined
  }
}

/** How long the record of an answer of that age is kept, milliseconds; the reader learns its age from what is left. */
export const keptMs = (stored: Stored, ageMs: number): number => lastsMs(stored.lifetime) - ageMs

export function entryOf(stored: Stored, body: Uint8Array, expiresInMs: number, nowMs: number): Entry {
  return { ...stored, body, bornMs: nowMs - (lastsMs(stored.lifetime) - expiresInMs) }
}

/** What an entry takes in memory, bytes: its body, its fields, and what objects cost. */
export function sizeOf({ body, headers, target, tags }: Entry): number {
  let size = body.length + 600 + target.length * 2
  for (const [name, value] of Object.entries(headers)) size += 64 + name.length + String(value).length
  for (const tag of tags) size += 32 + tag.length
  return size
}
