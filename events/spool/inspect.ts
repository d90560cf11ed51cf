import { stat } from 'node:fs/promises'
import type { SluiceEvent } from '../../sdk/event.ts'
import { type ChainProblem, ChainVerifier } from '../verify.ts'
import { listSpools } from './claim.ts'
import { SpoolReader } from './reader.ts'
import { listSegments, SEGMENT_HEADER, segmentPath } from './segment.ts'

export interface SpoolReport {
  readonly folder: string
  readonly writer: string
  /** A process is writing it: its last record may be unfinished without being damaged. */
  readonly alive: boolean
  readonly segments: number
  readonly bytes: number
  readonly records: number
  readonly badRegions: number
  readonly badBytes: number
  readonly problems: readonly ChainProblem[]
}

/** Reads every spool in a folder to its end and checks records and chains; changes nothing. */
export async function* checkSpools(spoolDir: string): AsyncGenerator<SpoolReport> {
  for (const { folder, writer, alive } of await listSpools(spoolDir)) {
    const segments = await listSegments(folder)
    const sizes = await Promise.all(segments.map(number => stat(segmentPath(folder, number))))
    let records = 0
    let badRegions = 0
    let badBytes = 0
    let verifier: ChainVerifier | undefined
    for await (const batch of readSpool(folder, alive)) {
      badRegions += batch.badRegions
      badBytes += batch.badBytes
      for (const event of batch.events) {
        records++
        // The segments before may be gone: then the first link can't be checked.
        verifier ??= new ChainVerifier(writer, {
          ...(event.sequence > 1 ? { start: { writer, sequence: event.sequence, chain: event.chain } } : {}),
        })
        if (event.sequence === 1 || records > 1)
          verifier.add({ sequence: event.sequence, chain: event.chain, content: event })
      }
    }
    const bytes = sizes.reduce((sum, { size }) => sum + size, 0)
    const problems = verifier?.finish().problems ?? []
    yield {
      folder,
      writer,
      alive,
      segments: segments.length,
      bytes,
      records,
      badRegions,
      badBytes,
      problems,
    }
  }
}

export interface SpooledEvents {
  readonly events: readonly SluiceEvent[]
  readonly badRegions: number
  readonly badBytes: number
}

/**
 * All events of a spool that are still there, oldest first.
 *
 * @param live a process is writing it.
 */
export async function* readSpool(folder: string, live = false): AsyncGenerator<SpooledEvents> {
  const [first] = await listSegments(folder)
  if (first === undefined) return
  const from = { segment: first, offset: SEGMENT_HEADER.length }
  const reader = new SpoolReader({ folder, from, live })
  try {
    for (let batch = await reader.next(500, 1_048_576); batch; batch = await reader.next(500, 1_048_576))
      yield {
        events: batch.payloads.flatMap(payload => parse(payload)),
        badRegions: batch.badRegions,
        badBytes: batch.badBytes,
      }
  } finally {
    await reader.close()
  }
}

/** Events as they come, from the end of what is there now; `pause` waits before looking again. */
export async function* followSpool(
  folder: string,
  pause: () => Promise<unknown>,
): AsyncGenerator<SluiceEvent> {
  const segments = await listSegments(folder)
  const segment = segments.at(-1) ?? 1
  const size = segments.length === 0 ? SEGMENT_HEADER.length : (await stat(segmentPath(folder, segment))).size
  const reader = new SpoolReader({ folder, from: { segment, offset: size }, live: true })
  try {
    for (;;) {
      const batch = await reader.next(500, 1_048_576)
      if (batch) for (const event of batch.payloads.flatMap(parse)) yield event
      else await pause()
    }
  } finally {
    await reader.close()
  }
}

function parse(payload: Buffer): SluiceEvent[] {
  try {
    return [JSON.parse(payload.toString())]
  } catch {
    return []
  }
}
