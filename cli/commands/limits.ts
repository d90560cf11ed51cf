import { userInfo } from 'node:os'
import { Command, Option } from 'commander'
import { SluiceError } from '../../foundation/errors.ts'
import { LimitTargets, type Target, type Wish } from '../../management/live/limit-targets.ts'
import { changeSubject } from '../../plugins/qos/limit-admin.ts'
import type { Store } from '../../sdk/store.ts'
import { parseDuration } from '../format/duration.ts'
import { toJsonText } from '../format/json.ts'
import { describeStandings } from '../format/limits.ts'
import { withSharedStore } from '../wiring/shared-store.ts'

interface SubjectFlags extends Target {
  readonly adminUrl: string
  readonly json?: true
}

interface ChangeFlags extends SubjectFlags {
  readonly limit?: string
  readonly actor: string
  readonly reason: string
}

interface SetFlags extends ChangeFlags {
  readonly requests: string
  readonly burst?: string
  readonly for: string
}

const HELP = `
A subject is whose requests are counted together: a consumer, or what else
limit_by of the plugin says. It is counted apart at each place in Kong where the
plugin is configured: that is the scope. Changes reach every plugin server at
once, and each is an event with who and why.
Needs SLUICE_REDIS_URL, as the plugin servers have it.

Examples:
  sluice limits show  --consumer alice
  sluice limits show  --subject ip:192.0.2.1 --json
  sluice limits reset --consumer alice --reason goodwill
  sluice limits set   --consumer alice --limit minute --requests 5000 \\
                      --for 2h --reason "launch day"
  sluice limits unset --consumer alice --limit minute --reason "launch is over"
`

export const command = new Command()
  .addHelpText('after', HELP)
  .addCommand(
    subjectCommand('show', 'show what is used and left of the limits of a subject').action(
      async (flags: SubjectFlags) => {
        await withTargets(flags, async targets => print(flags, targets, await targets.some(flags)))
      },
    ),
  )
  .addCommand(
    changeCommand('reset', 'set what a subject has used to zero')
      .option('--limit <name>', 'only this limit; all of them by default')
      .action((flags: ChangeFlags) => change(flags, { action: 'reset', limit: flags.limit })),
  )
  .addCommand(
    changeCommand('set', 'change a limit of a subject for a while; what it has used stays used')
      .requiredOption('--limit <name>', 'name of the limit')
      .requiredOption('--requests <n>', 'how much each window admits')
      .option('--burst <n>', 'how much may come at once (gcra); --requests by default')
      .option('--for <duration>', 'how long the change lasts, at most 30d: 90s, 15m, 2h, 7d', '1h')
      .action((flags: SetFlags) => {
        const requests = positive('--requests', flags.requests)
        return change(flags, {
          action: 'set',
          limit: flags.limit,
          requests,
          burst: flags.burst === undefined ? requests : positive('--burst', flags.burst),
          lastsMs: parseDuration(flags.for),
        })
      }),
  )
  .addCommand(
    changeCommand('unset', 'end such a change before its time')
      .requiredOption('--limit <name>', 'name of the limit')
      .action((flags: ChangeFlags) => change(flags, { action: 'unset', limit: flags.limit })),
  )

function subjectCommand(name: string, does: string): Command {
  return new Command(name)
    .description(does)
    .option('--consumer <name>', 'username or id of a consumer')
    .option('--subject <subject>', 'instead of a consumer: ip:192.0.2.1, route:<id>, credential:<id>, …')
    .option('--scope <scope>', 'only at one place: all, route=<id> or service=<id>; every place by default')
    .addOption(
      new Option(
        '--admin-url <url>',
        "Kong's Admin API, which knows consumers by name, and the configured limits",
      )
        .env('SLUICE_ADMIN_URL')
        .default('http://127.0.0.1:8001'),
    )
    .option('--json', 'print JSON')
}

function changeCommand(name: string, does: string): Command {
  return subjectCommand(name, does)
    .requiredOption('--reason <text>', 'why; part of the event')
    .option('--actor <name>', 'who; part of the event', userInfo().username)
}

async function change(flags: ChangeFlags, wish: Wish): Promise<void> {
  const { actor, reason } = flags
  await withTargets(flags, async (targets, store) => {
    const keys = await targets.toChange(flags, wish)
    for (const key of keys) await changeSubject(store, { ...wish, key, actor, reason }, Date.now())
    await print(flags, targets, keys)
  })
}

const withTargets = (
  { adminUrl }: SubjectFlags,
  work: (targets: LimitTargets, store: Store) => Promise<void>,
): Promise<void> =>
  withSharedStore('limits', store =>
    work(new LimitTargets({ store, adminUrl, nameOf: field => `--${field}` }), store),
  )

async function print({ json }: SubjectFlags, targets: LimitTargets, keys: readonly string[]): Promise<void> {
  const standings = await targets.standings(keys)
  process.stdout.write(json ? toJsonText(standings, 2) : describeStandings(standings))
}

function positive(flag: string, text: string): number {
  const number = Number(text)
  if (!/^\d+$/.test(text) || number < 1 || number > 1_000_000_000)
    throw new SluiceError(
      'SLUICE_CLI_USAGE',
      `${flag}: ${JSON.stringify(text)} is not an integer from 1 to 1000000000`,
    )
  return number
}
