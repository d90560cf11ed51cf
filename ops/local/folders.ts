import { createHash } from 'node:crypto'
import { chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { serviceUser } from './user.ts'

/** The folder with Sluice's package.json: the nearest one above this module. */
export function projectFolder(): string {
  let folder = import.meta.dirname
  while (!existsSync(path.join(folder, 'package.json'))) folder = path.dirname(folder)
  return folder
}

/**
 * A folder for what outlives a run: `.sluice/<name>` of the project. Where this is root and the project stands
 * in a folder that an unprivileged user may not enter (such as /root), it is under /var/cache/sluice instead.
 */
export function lastingFolder(name: string): string {
  const project = projectFolder()
  const parent = isOpen(project)
    ? path.join(project, '.sluice')
    : path.join('/var/cache/sluice', createHash('sha256').update(project).digest('hex').slice(0, 12))
  const folder = path.join(parent, name)
  mkdirSync(folder, { recursive: true })
  return folder
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
