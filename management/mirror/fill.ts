import type { HeldLease } from '../changes/lease.ts'
import type { Reading } from './reading.ts'
import type { MirrorStore } from './store.ts'

/** Entities in one statement. */
const BATCH = 500

/** Makes the mirror show what was read, and nothing else. Only while nobody has changed anything through the manager. */
export async function fillMirror(
  { entities, mirroring, readOnly }: Reading,
  mirror: MirrorStore,
  { epoch }: HeldLease,
  readAt: Date,
): Promise<void> {
  const present = new Set(entities.map(({ kind, id }) => `${kind}:${id}`))
  const gone = (await mirror.seen()).filter(({ kind, id }) => !present.has(`${kind}:${id}`))
  await mirror.adopt(epoch, [], gone)
  for (let at = 0; at < entities.length; at += BATCH)
    await mirror.adopt(
      epoch,
      entities.slice(at, at + BATCH).map(one => mirroring.mirrored(one)),
      [],
    )
  await mirror.markRead(epoch, readAt, readOnly)
}
