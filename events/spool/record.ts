import { crc32c } from './crc32c.ts'

/**
 * A record on disk, integers little-endian:
 *
 * ```
 * 0  4  magic FF 'S' 'L' 'R' (FF occurs in no UTF-8 text, so a payload never holds it)
 * 4  4  CRC-32C of the rest of the record, the length included
 * 8  4  length of the payload
 * 12 n  payload
 * ```
 *
 * The magic lets a reader find the next record behind damaged bytes.
 */
export const RECORD_HEADER_BYTES = 12
export const MAX_PAYLOAD_BYTES = 1024 * 1024

const MAGIC = Buffer.from([0xff, 0x53, 0x4c, 0x52])

export function encodeRecord(payload: string): Buffer {
  const length = Buffer.byteLength(payload)
  const record = Buffer.allocUnsafe(RECORD_HEADER_BYTES + length)
  MAGIC.copy(record)
  record.writeUInt32LE(length, 8)
  record.write(payload, RECORD_HEADER_BYTES)
  record.writeUInt32LE(crc32c(record, 8), 4)
  return record
}

export interface ScannedRecord {
  readonly payload: Buffer
  /** Behind its last byte, counted from the start of the scanned bytes. */
  readonly end: number
}

export interface Scan {
  readonly records: readonly ScannedRecord[]
  /** Bytes that are done with: whole records, and damaged bytes before them. */
  readonly consumed: number
  /** Stretches of damaged bytes, and their total length. */
  readonly badRegions: number
  readonly badBytes: number
}

/**
 * Reads whole records from the front of `bytes`.
 *
 * @param complete that no byte will follow: an unfinished record is then damage. Else it is left for later.
 * @param maxRecords stops after so many.
 */
export function scanRecords(bytes: Buffer, complete: boolean, maxRecords = Number.POSITIVE_INFINITY): Scan {
  const records: ScannedRecord[] = []
  let at = 0
  let badRegions = 0
  let badBytes = 0
  let inBadRegion = false

  const skipTo = (next: number) => {
    if (!inBadRegion) badRegions++
    inBadRegion = true
    badBytes += next - at
    at = next
  }

  while (at < bytes.length && records.length < maxRecords) {
    const end = wholeRecord(bytes, at)
    if (end === 'unfinished' && !complete) break
    if (typeof end === 'number') {
      records.push({ payload: bytes.subarray(at + RECORD_HEADER_BYTES, end), end })
      at = end
      inBadRegion = false
      continue
    }
    const next = bytes.indexOf(MAGIC, at + 1)
    if (next !== -1) skipTo(next)
    else if (complete) skipTo(bytes.length)
    else {
      // The front of a magic may stand at the very end.
      skipTo(Math.max(at + 1, bytes.length - MAGIC.length + 1))
      break
    }
  }
  return { records, consumed: at, badRegions, badBytes }
}

/** Where the record at `at` ends, if its bytes are right. */
function wholeRecord(bytes: Buffer, at: number): number | 'unfinished' | 'bad' {
  const available = bytes.length - at
  if (available < MAGIC.length)
    return MAGIC.subarray(0, available).equals(bytes.subarray(at)) ? 'unfinished' : 'bad'
  if (bytes.compare(MAGIC, 0, MAGIC.length, at, at + MAGIC.length) !== 0) return 'bad'
  if (available < RECORD_HEADER_BYTES) return 'unfinished'
  const length = bytes.readUInt32LE(at + 8)
  if (length > MAX_PAYLOAD_BYTES) return 'bad'
  const end = at + RECORD_HEADER_BYTES + length
  if (end > bytes.length) return 'unfinished'
  return crc32c(bytes, at + 8, end) === bytes.readUInt32LE(at + 4) ? end : 'bad'
}
