/** Makes keys: what `sluice token rotate` does to the folder. */
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import path from 'node:path'
import { SluiceError } from '../../sdk/sdk.ts'
import { MANIFEST, type ManifestEntry, manifestStamp, manifestText, readManifest } from './key-folder.ts'
import { acceptedUntil } from './key-states.ts'
import { toSigningKey } from './signing-key.ts'

const LOCK = 'rotating'

export interface Rotation {
  /** Seconds since the epoch. */
  readonly now: number
  /** After how many seconds the new key signs; the first key of a folder signs at once. */
  readonly inSeconds: number
  /** The keys so far are no longer published, and the new one signs at once: tokens of before are refused. */
  readonly revoke: boolean
}

export interface Rotated {
  readonly kid: string
  /** Seconds since the epoch. */
  readonly signsFrom: number
  /** Key ids that are no longer published. */
  readonly removed: readonly string[]
}

/**
 * Adds a key, and removes those whose last token has expired.
 *
 * @throws SluiceError SLUICE_TOKEN_KEYS for a folder that cannot be read, or while another rotation is under way.
 */
export function rotate(folder: string, rotation: Rotation): Rotated {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return locked(folder, () => {
    const before = manifestStamp(folder) === undefined ? [] : readManifest(folder)
    const kept = rotation.revoke ? [] : before.filter((_, index) => isNeeded(before, index, rotation.now))
    const signsFrom = kept.length === 0 ? rotation.now : rotation.now + rotation.inSeconds
    const entry = addKey(folder, signsFrom)
    writeWhole(path.join(folder, MANIFEST), manifestText([...kept, entry]))
    const removed = before.filter(one => !kept.includes(one))
    for (const { file } of removed) rmSync(path.join(folder, file), { force: true })
    return { kid: entry.kid, signsFrom, removed: removed.map(({ kid }) => kid) }
  })
}

/** Whether a token that the key signed may still be good: its successor has not signed for that long yet. */
function isNeeded(entries: readonly ManifestEntry[], index: number, now: number): boolean {
  const successor = entries[index + 1]
  return successor === undefined || acceptedUntil(successor.not_before) > now
}

function addKey(folder: string, notBefore: number): ManifestEntry {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { kid } = toSigningKey(privateKey, notBefore)
  const file = `${kid}.pem`
  writeWhole(path.join(folder, file), privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
  return { kid, file, not_before: notBefore }
}

/** Appears whole or not at all, also after a crash; only its owner may read it. */
function writeWhole(file: string, text: string): void {
  const beside = `${file}.${randomUUID()}`
  const descriptor = openSync(beside, 'wx', 0o600)
  try {
    writeSync(descriptor, text)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  renameSync(beside, file)
}

/** Two rotations at once would each drop the other's key. */
function locked<T>(folder: string, work: () => T): T {
  const lock = path.join(folder, LOCK)
  try {
    closeSync(openSync(lock, 'wx'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    throw new SluiceError(
      'SLUICE_TOKEN_KEYS',
      `another rotation is under way; if none is, it was interrupted: remove ${lock}`,
    )
  }
  try {
    return work()
  } finally {
    rmSync(lock, { force: true })
  }
}
