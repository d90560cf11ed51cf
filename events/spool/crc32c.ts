/** Castagnoli's polynomial, its bits in reverse order (RFC 3720, appendix B.4). */
const POLYNOMIAL = 0x82f63b78

/** Eight tables of 256, one behind the other: the CRC of a byte that 0 to 7 zero bytes follow. */
const TABLES = new Int32Array(8 * 256)

function entry(slice: number, byte: number): number {
  return TABLES[(slice << 8) | (byte & 255)] as number
}

for (let byte = 0; byte < 256; byte++) {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
  TABLES[byte] = crc
}
for (let at = 256; at < TABLES.length; at++) {
  const before = entry((at >> 8) - 1, at)
  TABLES[at] = (before >>> 8) ^ entry(0, before)
}

/** CRC-32C of `bytes` from `start` to `end`, eight bytes a step (Kounavis and Berry, "slicing-by-8"). */
export function crc32c(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let crc = -1
  let at = start
  for (; at + 8 <= end; at += 8) {
    const low = crc ^ view.getInt32(at, true)
    const high = view.getInt32(at + 4, true)
    crc =
      entry(7, low) ^
      entry(6, low >>> 8) ^
      entry(5, low >>> 16) ^
      entry(4, low >>> 24) ^
      entry(3, high) ^
      entry(2, high >>> 8) ^
      entry(1, high >>> 16) ^
      entry(0, high >>> 24)
  }
  for (; at < end; at++) crc = entry(0, crc ^ view.getUint8(at)) ^ (crc >>> 8)
  return ~crc >>> 0
}
