import path from 'node:path'
import { messageOf } from './errors.ts'

/** Why a file or folder could not be read or written, with its path; the system's own words for what is rare. */
export function fileFault(use: 'read' | 'write', file: string, error: unknown): string {
  return `cannot ${use} ${file}: ${reason(use, file, error)}`
}

function reason(use: 'read' | 'write', file: string, error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EISDIR':
      return 'it is a folder'
    case 'ENOENT':
      return use === 'read' ? 'it does not exist' : `there is no folder ${path.dirname(file)}`
    case 'EEXIST':
      return 'it is there already, and not a folder'
    case 'ENOTDIR':
      return 'a part of its path is a file, not a folder'
    case 'EACCES':
    case 'EPERM':
      return 'this user may not'
    default:
      return messageOf(error)
  }
}
