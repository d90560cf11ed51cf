import { stat } from 'node:fs/promises'
import { messageOf } from '../foundation/errors.ts'
import type { Logger } from '../foundation/log.ts'
import type { EventDraft } from '../sdk/event.ts'
import { genesis } from './chain.ts'
import type { Relay } from './relay.ts'
import { type AdoptedSpool, adoptSpools, listSpools, removeSpool } from './spool/claim.ts'
import { Cursor } from './spool/cursor.ts'
import { SpoolReader } from './spool/reader.ts'
import { cutTornTail } from './spool/repair.ts'
import { listSegments, segmentPath } from './spool/segment.ts'

export interface AdoptionOptions {
  readonly spoolDir: string
  /** Who takes over. */
  readonly writer: string
  readonly relays: readonly Relay[]
  readonly log: Logger
  readonly publish: (draft: EventDraft) => void
}

interface Adopted {
  readonly bytes: number
  readonly records: number
  /** Of the sinks that have not passed it yet. */
  readonly cursors: Map<string, Cursor>
}

/** Takes over the spools of processes that are gone, and has the relays empty them. */
export class Adoption {
  readonly #options: AdoptionOptions
  readonly #adopted = new Map<string, Adopted>()
  /** Taken over, but not read yet, for a fault: by their folders. Nobody else will, as long as this process lives. */
  readonly #stranded = new Map<string, AdoptedSpool>()
  /** Of spools that nobody can send on, since there is no sink. */
  #orphanBytes = 0

  constructor(options: AdoptionOptions) {
    this.#options = options
  }

  /** Size of the spools that wait besides the process's own. */
  get bytes(): number {
    let bytes = this.#orphanBytes
    for (const spool of this.#adopted.values()) bytes += spool.bytes
    return bytes
  }

  /** What waits for a sink in spools that were taken over. */
  backlog(sink: string): { readonly records: number; readonly bytes: number } {
    let records = 0
    let bytes = 0
    for (const spool of this.#adopted.values()) {
      const cursor = spool.cursors.get(sink)
      if (!cursor) continue
      records += Math.max(0, spool.records - cursor.records)
      bytes += spool.bytes
    }
    return { records, bytes }
  }

  /** Looks for spools without an owner. A failure is logged, and that spool is tried again at the next look. */
  async takeOver(): Promise<void> {
    const { spoolDir, writer, relays, log } = this.#options
    try {
      if (relays.length === 0) {
        const spools = await listSpools(spoolDir)
        const sizes = await Promise.all(
          spools.filter(spool => !spool.alive).map(spool => sizeOf(spool.folder)),
        )
        this.#orphanBytes = sizes.reduce((sum, size) => sum + size, 0)
        return
      }
      const failed = (folder: string, error: unknown) =>
        log.error({ folder, reason: messageOf(error) }, 'cannot adopt a spool')
      for (const spool of await adoptSpools(spoolDir, writer, failed)) this.#stranded.set(spool.folder, spool)
      for (const [folder, spool] of this.#stranded) {
        try {
          await this.#adopt(spool)
          this.#stranded.delete(folder)
        } catch (error) {
          failed(folder, error)
        }
      }
    } catch (error) {
      log.error({ reason: messageOf(error) }, 'cannot look for spools of ended processes')
    }
  }

  async #adopt({ folder, writer }: AdoptedSpool): Promise<void> {
    const { relays, log, publish } = this.#options
    const { sequence, chain, tornBytes } = await cutTornTail(folder)
    const bytes = await sizeOf(folder)
    const outlets = await openCursors(folder, relays)
    const cursors = new Map(outlets.map(([relay, cursor]) => [relay.sink, cursor]))
    this.#adopted.set(folder, { bytes, records: sequence, cursors })
    log.info({ writer, records: sequence, tornBytes }, 'adopted the spool of an ended process')
    publish({
      type: 'events.spool-adopted.v1',
      subject: writer,
      data: { writer, sequence, chain: chain ?? genesis(writer), torn_bytes: tornBytes },
    })
    for (const [relay, cursor] of outlets) {
      relay.add({
        reader: new SpoolReader({ folder, from: cursor.position }),
        cursor,
        finite: true,
        onEnd: async () => {
          cursors.delete(relay.sink)
          if (cursors.size > 0) return
          this.#adopted.delete(folder)
          await removeSpool(folder)
        },
      })
    }
  }
}

/** All or none: what is open is closed again where one can't be opened. */
async function openCursors(folder: string, relays: readonly Relay[]): Promise<(readonly [Relay, Cursor])[]> {
  const opened: (readonly [Relay, Cursor])[] = []
  try {
    for (const relay of relays) opened.push([relay, await Cursor.open(folder, relay.sink)])
  } catch (error) {
    for (const [, cursor] of opened) await cursor.close().catch(() => {})
    throw error
  }
  return opened
}

async function sizeOf(folder: string): Promise<number> {
  const sizes = await Promise.all((await listSegments(folder)).map(n => stat(segmentPath(folder, n))))
  return sizes.reduce((sum, { size }) => sum + size, 0)
}
