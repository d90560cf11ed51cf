/** Packs messages whose arguments may be long: those go out as chunks of their own, uncopied. */
import type { Packr } from 'msgpackr'

const OWN_CHUNK_BYTES = 16_384

export interface NextCall {
  readonly EventId: number
  readonly Data: { readonly Method: string; readonly Args: readonly unknown[] }
}

const isLong = (value: unknown): value is string | Uint8Array =>
  (typeof value === 'string' || value instanceof Uint8Array) && value.length > OWN_CHUNK_BYTES

export function hasLongArgument(result: unknown): result is NextCall {
  const { Data } = (result ?? {}) as Partial<NextCall>
  return typeof Data === 'object' && Data.Args.some(isLong)
}

/**
 * `[1, id, nil, call]` in chunks.
 *
 * @param call whose arguments are fewer than 16.
 */
export function packCall(packr: Packr, id: unknown, { EventId, Data }: NextCall): Uint8Array[] {
  const chunks: Uint8Array[] = []
  let head: Uint8Array[] = [
    Buffer.of(0x94, 1),
    packr.pack(id),
    Buffer.of(0xc0, 0x82),
    packr.pack('EventId'),
    packr.pack(EventId),
    packr.pack('Data'),
    Buffer.of(0x82),
    packr.pack('Method'),
    packr.pack(Data.Method),
    packr.pack('Args'),
    Buffer.of(0x90 | Data.Args.length),
  ]
  for (const argument of Data.Args) {
    if (isLong(argument)) {
      const bytes = typeof argument === 'string' ? Buffer.from(argument) : argument
      head.push(longHeader(typeof argument === 'string' ? 0xdb : 0xc6, bytes.length))
      chunks.push(Buffer.concat(head), bytes)
      head = []
    } else head.push(packr.pack(argument))
  }
  if (head.length > 0) chunks.push(Buffer.concat(head))
  return chunks
}

/** Of str 32 or bin 32. */
function longHeader(type: number, length: number): Buffer {
  const header = Buffer.allocUnsafe(5)
  header[0] = type
  header.writeUInt32BE(length, 1)
  return header
}
