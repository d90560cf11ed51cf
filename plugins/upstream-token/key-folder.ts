/**
 * The folder of the signing keys: a PEM file a key, and a manifest `keys.json` that says from when on each signs. The
 * manifest is replaced last and as a whole, so a reader finds every key that it names.
 */
import { readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { messageOf, SluiceError } from '../../sdk/sdk.ts'
import { readPrivateKey, type SigningKey, toSigningKey } from './signing-key.ts'

export const MANIFEST = 'keys.json'
const MANIFEST_VERSION = 1
/** A manifest with more is not one that `sluice token rotate` wrote. */
const MAX_KEYS = 100

export interface ManifestEntry {
  readonly kid: string
  /** Name of a file in the same folder. */
  readonly file: string
  /** Seconds since the epoch. */
  readonly not_before: number
}

const fault = (message: string) => new SluiceError('SLUICE_TOKEN_KEYS', message)

/**
 * The keys of a folder, the first to sign first.
 *
 * @throws SluiceError SLUICE_TOKEN_KEYS that names the file and what is wrong with it.
 */
export function readKeyFolder(folder: string): readonly SigningKey[] {
  return readManifest(folder).map(entry => readKey(folder, entry))
}

/** @throws SluiceError SLUICE_TOKEN_KEYS */
export function readManifest(folder: string): readonly ManifestEntry[] {
  const file = path.join(folder, MANIFEST)
  const entries = parseManifest(readText(file), file)
  if (entries.length === 0) throw fault(`${file} names no key`)
  return [...entries].sort((a, b) => a.not_before - b.not_before)
}

export function manifestText(entries: readonly ManifestEntry[]): string {
  return `${JSON.stringify({ version: MANIFEST_VERSION, keys: entries }, null, 2)}\n`
}

/** Changes whenever the manifest is replaced; undefined where there is none. Costs one call of the system. */
export function manifestStamp(folder: string): string | undefined {
  const stats = statSync(path.join(folder, MANIFEST), { throwIfNoEntry: false })
  return stats && `${stats.ino}.${stats.size}.${stats.mtimeMs}`
}

function parseManifest(text: string, file: string): readonly ManifestEntry[] {
  let manifest: { readonly version?: unknown; readonly keys?: unknown } | null
  try {
    manifest = JSON.parse(text)
  } catch {
    throw fault(`${file} is not JSON`)
  }
  if (manifest?.version !== MANIFEST_VERSION)
    throw fault(`${file} has the version ${String(manifest?.version)}, not ${MANIFEST_VERSION}`)
  const { keys } = manifest
  if (!Array.isArray(keys) || keys.length > MAX_KEYS || !keys.every(isEntry))
    throw fault(`${file}: \`keys\` must be a list of {kid, file, not_before}`)
  return keys
}

function isEntry(value: unknown): value is ManifestEntry {
  const { kid, file, not_before: notBefore } = (value ?? {}) as Partial<ManifestEntry>
  return (
    typeof kid === 'string' &&
    typeof file === 'string' &&
    file === path.basename(file) &&
    Number.isSafeInteger(notBefore)
  )
}

function readKey(folder: string, { kid, file, not_before: notBefore }: ManifestEntry): SigningKey {
  const whole = path.join(folder, file)
  const key = toSigningKey(readPrivateKey(readText(whole), whole), notBefore)
  if (key.kid !== kid) throw fault(`${whole} is another key than ${MANIFEST} says: ${key.kid}, not ${kid}`)
  return key
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw fault(`cannot read ${file}: ${messageOf(error)}`)
  }
}
