import { readFileSync } from 'node:fs'

/** The ids that a service runs with. */
export interface ServiceUser {
  readonly uid: number
  readonly gid: number
}

/**
 * Who runs the services: this user, or `nobody` where this is root, because PostgreSQL refuses root and the
 * others need no rights.
 */
export function serviceUser(): ServiceUser | undefined {
  if (process.getuid?.() !== 0) return undefined
  const line = /^nobody:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'))
  return { uid: Number(line?.[1] ?? 65_534), gid: Number(line?.[2] ?? 65_534) }
}
