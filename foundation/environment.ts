import { readFileSync } from 'node:fs'
import { fileFault } from './file-fault.ts'

/** Variables of a process, such as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * A variable's value, or that of the file which the same variable with `_FILE` behind it names; undefined for neither,
 * and for an empty one.
 *
 * @throws where both are set, or the file can't be read
 */
export function readVariable(env: Environment, name: string): string | undefined {
  const direct = env[name]
  const file = env[`${name}_FILE`]
  if (file === undefined || file === '') return direct === '' ? undefined : direct
  if (direct !== undefined && direct !== '') throw new Error(`is set, and so is ${name}_FILE; keep one`)
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    throw new Error(`${name}_FILE: ${fileFault('read', file, error)}`)
  }
}
