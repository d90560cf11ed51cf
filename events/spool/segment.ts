import { type FileHandle, open, readdir } from 'node:fs/promises'
import path from 'node:path'

/** Where a record ends or begins: the number of its segment, from 1, and an offset in that file. */
export interface SpoolPosition {
  readonly segment: number
  readonly offset: number
}

/** The first bytes of each segment name the format and its version. */
export const SEGMENT_HEADER = Buffer.from('SLSPOOL1')

export const SPOOL_START: SpoolPosition = { segment: 1, offset: SEGMENT_HEADER.length }

const NAME = /^(\d{8})\.seg$/

export const segmentPath = (folder: string, segment: number) =>
  path.join(folder, `${String(segment).padStart(8, '0')}.seg`)

/** Numbers of the segments in a folder, ascending. */
export async function listSegments(folder: string): Promise<number[]> {
  const names = await readdir(folder)
  return names
    .map(name => Number(NAME.exec(name)?.[1] ?? 0))
    .filter(number => number > 0)
    .sort((a, b) => a - b)
}

/** Makes a segment with its header, durable under its name. */
export async function createSegment(folder: string, segment: number): Promise<FileHandle> {
  const file = await open(segmentPath(folder, segment), 'w', 0o600)
  try {
    await file.write(SEGMENT_HEADER, 0, SEGMENT_HEADER.length, 0)
    await file.datasync()
    await syncFolder(folder)
  } catch (error) {
    await file.close()
    throw error
  }
  return file
}

/** A file's name is durable once its folder has been synced. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

export const isBefore = (a: SpoolPosition, b: SpoolPosition) =>
  a.segment < b.segment || (a.segment === b.segment && a.offset < b.offset)
