/** Files and folders that options and arguments name. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { SluiceError } from '../../foundation/errors.ts'
import { fileFault } from '../../foundation/file-fault.ts'

/**
 * Runs what reads or writes the file or folder of an option.
 *
 * @throws SluiceError SLUICE_CLI_FILE with option, path and reason when the system refuses it; other errors as they are.
 */
export function withGivenFile<T>(option: string, use: 'read' | 'write', file: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error
    throw new SluiceError('SLUICE_CLI_FILE', `${option}: ${fileFault(use, file, error)}`, { cause: error })
  }
}

export const readGivenFile = (option: string, file: string): string =>
  withGivenFile(option, 'read', file, () => readFileSync(file, 'utf8'))

export const makeGivenFolder = (option: string, folder: string): void =>
  withGivenFile(option, 'write', folder, () => void mkdirSync(folder, { recursive: true }))

/** @param mode of a file that is made anew. */
export const writeGivenFile = (option: string, file: string, text: string, mode = 0o666): void =>
  withGivenFile(option, 'write', file, () => writeFileSync(file, text, { mode }))
