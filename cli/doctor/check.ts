/** What `sluice doctor` finds: one line a fact, with a mend where something is wrong. */

import { messageOf } from '../../foundation/errors.ts'
import type { Settings } from '../../foundation/settings.ts'
import type { AnyPlugin } from '../../plugin-server/runtime/registry.ts'

export type FindingState = 'ok' | 'warn' | 'fail'

export interface Finding {
  readonly area: string
  readonly state: FindingState
  readonly message: string
  /** What to do about it. */
  readonly mend?: string
}

/** What the checks look at. */
export interface Patient {
  readonly settings: Settings
  readonly plugins: readonly AnyPlugin[]
  /** The command that prints the dump: program and arguments. */
  readonly dumpCommand: readonly string[]
  /** Kong's Admin API, where there is one to ask. */
  readonly adminUrl: string | undefined
}

export type Check = (patient: Patient) => Promise<readonly Finding[]>

export const ok = (area: string, message: string): Finding => ({ area, state: 'ok', message })
export const warn = (area: string, message: string, mend: string): Finding => ({
  area,
  state: 'warn',
  message,
  mend,
})
export const fail = (area: string, message: string, mend: string): Finding => ({
  area,
  state: 'fail',
  message,
  mend,
})

/** Runs all checks side by side; one that breaks down is a finding itself. */
export async function examine(patient: Patient, checks: Readonly<Record<string, Check>>): Promise<Finding[]> {
  const found = await Promise.all(
    Object.entries(checks).map(async ([area, check]) => {
      try {
        return await check(patient)
      } catch (error) {
        return [
          fail(area, `the check itself failed: ${messageOf(error)}`, 'Report this; the other checks hold.'),
        ]
      }
    }),
  )
  return found.flat()
}
