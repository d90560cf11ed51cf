import { open } from 'node:fs/promises'
import { scanRecords } from './record.ts'
import { listSegments, SEGMENT_HEADER, segmentPath } from './segment.ts'

/** The end of a spool that nobody writes any more. */
export interface SpoolTail {
  /** Of its last whole record; 0 where it has none. */
  readonly sequence: number
  readonly chain: string | undefined
  readonly tornBytes: number
}

/**
 * Cuts what the writer's end left unfinished: bytes behind the last whole record of the last segment. Damaged bytes
 * before a whole record stay, for the relay to pass over and count.
 */
export async function cutTornTail(folder: string): Promise<SpoolTail> {
  let tornBytes = 0
  for (const segment of (await listSegments(folder)).reverse()) {
    const file = await open(segmentPath(folder, segment), 'r+')
    try {
      const bytes = await file.readFile()
      const body = bytes.subarray(SEGMENT_HEADER.length)
      const last = scanRecords(body, true).records.at(-1)
      const end = Math.min(bytes.length, SEGMENT_HEADER.length) + (last?.end ?? 0)
      if (end < bytes.length) {
        tornBytes += bytes.length - end
        await file.truncate(end)
        await file.datasync()
      }
      if (last) return { ...readLast(last.payload), tornBytes }
    } finally {
      await file.close()
    }
  }
  return { sequence: 0, chain: undefined, tornBytes }
}

function readLast(payload: Buffer): Pick<SpoolTail, 'sequence' | 'chain'> {
  try {
    const { sequence, chain } = JSON.parse(payload.toString())
    return { sequence, chain }
  } catch {
    return { sequence: 0, chain: undefined }
  }
}
