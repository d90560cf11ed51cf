import { userInfo } from 'node:os'
import { Command, Option } from 'commander'
import { SluiceError } from '../../foundation/errors.ts'
import { isUuid } from '../../foundation/uuid.ts'
import { AdminClient } from '../../kong/admin/client.ts'
import { describeSubject, subjectToJson } from '../../plugins/qos/describe.ts'
import {
  type Change,
  changeSubject,
  findSubjects,
  KEY_PREFIX,
  showSubject,
} from '../../plugins/qos/operate.ts'
import type { Store } from '../../sdk/store.ts'
import { parseDuration } from '../format/duration.ts'
import { withSharedStore } from '../wiring/shared-store.ts'

interface SubjectFlags {
  readonly consumer?: string
  readonly subject?: string
  readonly scope?: string
  readonly adminUrl: string
  readonly json?: true
}

interface ChangeFlags extends SubjectFlags {
  readonly limit?: string
  readonly requests?: string
  readonly burst?: string
  readonly for?: string
  readonly actor: string
  readonly reason: string
}

export const command = new Command()
  .addCommand(
    subjectCommand('show', 'shows how the limits of a consumer stand').action(async (flags: SubjectFlags) => {
      await withSharedStore('limits', async store => print(flags, store, await keysOf(store, flags)))
    }),
  )
  .addCommand(
    changeCommand('reset', 'lets a consumer begin anew')
      .option('--limit <name>', 'only this limit')
      .action((flags: ChangeFlags) => change(flags, { action: 'reset', limit: flags.limit })),
  )
  .addCommand(
    changeCommand('set', 'changes a limit of a consumer for a while')
      .requiredOption('--limit <name>', 'name of the limit')
      .requiredOption('--requests <n>', 'how much each window admits')
      .option('--burst <n>', 'how much may come at once; as much as --requests where it is left out')
      .option('--for <time>', 'when the change ends by itself: 90s, 15m, 2h, 7d', '1h')
      .action((flags: ChangeFlags) => {
        const requests = positive('--requests', flags.requests!)
        return change(flags, {
          action: 'set',
          limit: flags.limit,
          requests,
          burst: flags.burst === undefined ? requests : positive('--burst', flags.burst),
          lastsMs: parseDuration(flags.for!),
        })
      }),
  )
  .addCommand(
    changeCommand('unset', 'ends such a change before its time')
      .requiredOption('--limit <name>', 'name of the limit')
      .action((flags: ChangeFlags) => change(flags, { action: 'unset', limit: flags.limit })),
  )

function subjectCommand(name: string, does: string): Command {
  return new Command(name)
    .description(does)
    .option('--consumer <name>', 'username or id of the consumer')
    .option('--subject <subject>', 'instead of a consumer: ip:192.0.2.1, route:<id>, credential:<id>, …')
    .option('--scope <scope>', 'only where the plugin is bound to: all, route=<id>, service=<id>')
    .addOption(
      new Option('--admin-url <url>', "Kong's Admin API, to find a consumer by its username")
        .env('SLUICE_ADMIN_URL')
        .default('http://127.0.0.1:8001'),
    )
    .option('--json', 'print JSON')
}

function changeCommand(name: string, does: string): Command {
  return subjectCommand(name, does)
    .requiredOption('--reason <text>', 'why; stands in the event')
    .option('--actor <name>', 'who does it', userInfo().username)
}

type Wish = Omit<Change, 'key' | 'actor' | 'reason'>

async function change(flags: ChangeFlags, wish: Wish): Promise<void> {
  const { actor, reason } = flags
  await withSharedStore('limits', async store => {
    const keys = await keysOf(store, flags)
    for (const key of keys) await changeSubject(store, { ...wish, key, actor, reason }, Date.now())
    await print(flags, store, keys)
  })
}

/** A subject that has had no request yet can be named by its whole scope. */
async function keysOf(store: Store, flags: SubjectFlags): Promise<string[]> {
  const subject = await subjectOf(flags)
  const found = (await findSubjects(store, subject)).filter(
    key => flags.scope === undefined || key.startsWith(`${KEY_PREFIX}${flags.scope}:`),
  )
  if (found.length > 0) return found
  if (flags.scope !== undefined) return [`${KEY_PREFIX}${flags.scope}:${subject}}`]
  throw new SluiceError(
    'SLUICE_CLI_USAGE',
    `no limit is in use for ${subject}; it is counted from its first request on, or with --scope before it`,
  )
}

async function subjectOf({ consumer, subject, adminUrl }: SubjectFlags): Promise<string> {
  if ((consumer === undefined) === (subject === undefined))
    throw new SluiceError('SLUICE_CLI_USAGE', 'give either --consumer or --subject')
  if (subject !== undefined) return subject
  if (isUuid(consumer)) return `consumer:${consumer.toLowerCase()}`
  const client = new AdminClient({ url: adminUrl })
  try {
    const found = await client.find(`/consumers/${encodeURIComponent(consumer!)}`)
    if (!found) throw new SluiceError('SLUICE_CLI_USAGE', `Kong has no consumer ${JSON.stringify(consumer)}`)
    return `consumer:${String(found.id)}`
  } finally {
    await client.close()
  }
}

async function print({ json }: SubjectFlags, store: Store, keys: readonly string[]): Promise<void> {
  const subjects = await Promise.all(keys.map(async key => ({ key, state: await showSubject(store, key) })))
  const text = json
    ? JSON.stringify(subjects.map(subjectToJson), null, 2)
    : subjects.map(describeSubject).join('\n')
  process.stdout.write(`${text}\n`)
}

function positive(flag: string, text: string): number {
  const number = Number(text)
  if (!/^\d+$/.test(text) || number < 1 || number > 1_000_000_000)
    throw new SluiceError('SLUICE_CLI_USAGE', `${flag}: ${JSON.stringify(text)} is no whole number from 1 on`)
  return number
}
