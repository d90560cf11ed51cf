/** What `sluice doctor` reports: one line a fact, with a remedy where something is wrong. */

import { messageOf } from '../../foundation/errors.ts'
import type { Settings } from '../../foundation/settings.ts'
import type { AnyPlugin } from '../../plugin-server/runtime/registry.ts'

export type FindingState = 'ok' | 'warn' | 'fail'

export interface Finding {
  readonly area: string
  readonly state: FindingState
  readonly message: string
  /** What to do about it. */
  readonly remedy?: string
}

/** What the checks look at. */
export interface Installation {
  readonly settings: Settings
  readonly plugins: readonly AnyPlugin[]
  /** The command that prints the dump: program and arguments. */
  readonly dumpCommand: readonly string[]
  /** Kong's Admin API, where there is one to ask. */
  readonly adminUrl: string | undefined
  /** The user of Kong's workers; undefined: not known. */
  readonly kongUser: string | undefined
}

export type Check = (installation: Installation) => Promise<readonly Finding[]>

export const ok = (area: string, message: string): Finding => ({ area, state: 'ok', message })
export const warn = (area: string, message: string, remedy: string): Finding => ({
  area,
  state: 'warn',
  message,
  remedy,
})
export const fail = (area: string, message: string, remedy: string): Finding => ({
  area,
  state: 'fail',
  message,
  remedy,
})

/** Runs all checks at once; one that throws becomes a finding itself. */
export async function examine(
  installation: Installation,
  checks: Readonly<Record<string, Check>>,
): Promise<Finding[]> {
  const found = await Promise.all(
    Object.entries(checks).map(async ([area, check]) => {
      try {
        return await check(installation)
      } catch (error) {
        return [
          fail(area, `the check itself failed: ${messageOf(error)}`, 'Report this; the other checks hold.'),
        ]
      }
    }),
  )
  return found.flat()
}
