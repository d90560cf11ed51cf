/** What plan and apply have in common: files, the Admin API, and the plugins that check their entries. */
import { randomUUID } from 'node:crypto'
import { userInfo } from 'node:os'
import { Command, InvalidArgumentError } from 'commander'
import { AdminUnreachable } from '../../kong/admin/answer.ts'
import type { AdminClient } from '../../kong/admin/client.ts'
import { refuse } from '../../kong/reconcile/files/problem.ts'
import { type Plan, planState } from '../../kong/reconcile/plan.ts'
import { type AdminFlags, collect, type WaitOptions, withAdminOptions, withKong } from './admin.ts'
import { withPluginChecks } from './plugin-checks.ts'
import { loadAskedPlugins, type PluginFlags, withPluginOptions } from './plugin-options.ts'
import { type FileFlags, readState, withFileOptions } from './state-files.ts'

export interface TagFlags {
  readonly selectTag?: readonly string[]
}

export interface StateFlags extends AdminFlags, PluginFlags, FileFlags, TagFlags {
  readonly json?: boolean
}

/** A command that compares files with Kong. */
export const stateCommand = (): Command =>
  withPluginOptions(withTagOptions(withAdminOptions(withFileOptions(new Command())))).option(
    '--json',
    'print JSON',
  )

export const withTagOptions = (command: Command): Command =>
  command.option(
    '--select-tag <tag>',
    'only entities with this tag are touched; repeatable: with all of them',
    collectTag,
  )

function collectTag(tag: string, before?: readonly string[]): string[] {
  // An unset shell variable must not decide what is ours.
  if (tag.trim() === '') throw new InvalidArgumentError('it must not be empty.')
  if (tag.includes(',')) throw new InvalidArgumentError('one tag each: repeat --select-tag.')
  return collect(tag, before)
}

/**
 * Compares the files with what Kong holds and runs `work` with the plan. The shipped plugins, and those of
 * `--plugins`, check their own entries.
 */
export async function withPlan<T>(
  flags: StateFlags,
  work: (plan: Plan, client: AdminClient) => Promise<T>,
  options: WaitOptions = {},
): Promise<T> {
  const declared = await readState(flags)
  const plugins = await loadAskedPlugins(flags)
  const plan = (client: AdminClient) =>
    withPluginChecks(plugins, checkPlugin =>
      planState(client, declared, { selectTags: flags.selectTag ?? [], newId: randomUUID, checkPlugin }),
    )
  try {
    const isFaulty = declared.problems.length > 0
    // Kong is asked about further mistakes, without waiting for it.
    return await withKong(flags, async client => work(await plan(client), client), {
      ...options,
      ...(isFaulty && { waitSeconds: 0 }),
    })
  } catch (error) {
    if (error instanceof AdminUnreachable) refuse(declared.problems)
    throw error
  }
}

/** Who runs the command: whoever became root by sudo keeps the name. */
export function actorName(env: Readonly<Record<string, string | undefined>>): string {
  try {
    return env.SUDO_USER ?? userInfo().username
  } catch {
    return env.USER ?? 'unknown'
  }
}
