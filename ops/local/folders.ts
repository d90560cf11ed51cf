import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { serviceUser } from './user.ts'

/** The folder with Sluice's package.json: the nearest one above this module. */
export function projectFolder(): string {
  let folder = import.meta.dirname
  while (!existsSync(path.join(folder, 'package.json'))) folder = path.dirname(folder)
  return folder
}

/** Where `make up` keeps its state, data, secrets and logs: `.sluice` of the project, or SLUICE_UP_FOLDER. */
export function platformFolder(): string {
  return path.resolve(process.env.SLUICE_UP_FOLDER || path.join(projectFolder(), '.sluice'))
}

/** What was fetched or made once and serves every run: `.sluice/cache` of the project. */
export const cacheFolder = () => openFolder(path.join(projectFolder(), '.sluice', 'cache'))

/** The files of a service that outlive a run: a folder that only the service's user may enter. */
export function ownFolder(name: string): string {
  const folder = openFolder(path.join(platformFolder(), 'data', name))
  giveToService(folder)
  chmodSync(folder, 0o700)
  return folder
}

/**
 * Makes the folder. Where this is root and the folder stands in one that an unprivileged user may not enter (such
 * as /root), it gives one under /var/cache/sluice instead.
 */
export function openFolder(folder: string): string {
  const parent = path.dirname(folder)
  mkdirSync(parent, { recursive: true })
  const hash = createHash('sha256').update(parent).digest('hex').slice(0, 12)
  if (isOpen(parent)) return makeOpen(folder)
  return makeOpen(path.join(makeOpen(path.join(makeOpen('/var/cache/sluice'), hash)), path.basename(folder)))
}

/** Others may enter it, whatever the umask; one that is there already keeps its mode. */
function makeOpen(folder: string): string {
  if (mkdirSync(folder, { recursive: true }) !== undefined) chmodSync(folder, 0o755)
  return folder
}

/** Copies a folder for the services' user, who may not be able to read the original. */
export function copyOpen(folder: string, copy: string): void {
  cpSync(folder, copy, { recursive: true })
  chmodSync(copy, 0o755)
  for (const entry of readdirSync(copy, { recursive: true, withFileTypes: true }))
    chmodSync(path.join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644)
}

/** A new folder that only the service's user may enter. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), `sluice-${name}-`))
  giveToService(folder)
  return folder
}

/** Writes a file that only the service's user may read. */
export function writePrivate(file: string, text: string): void {
  writeFileSync(file, text, { mode: 0o600 })
  giveToService(file)
}

/** Lets the service's user own the file or folder. */
export function giveToService(file: string): void {
  const user = serviceUser()
  if (user) chownSync(file, user.uid, user.gid)
}

/** The last lines of a log that may not be there yet. */
export function endOfLog(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').slice(-15).join('\n') : ''
}

/** Whether the service's user may enter the folder. */
export function isOpen(folder: string): boolean {
  if (!serviceUser()) return true
  for (let at = folder; ; at = path.dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return false
    if (at === path.dirname(at)) return true
  }
}
