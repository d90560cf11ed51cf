import { userInfo } from 'node:os'
import { Command } from 'commander'
import { shownBreaker } from '../../management/live/shown-breaker.ts'
import { findBreaker, listBreakers, orderMode } from '../../plugins/circuit-breaker/management.ts'
import type { Mode } from '../../plugins/circuit-breaker/mode.ts'
import { describeBreaker, renderBreakers } from '../format/breaker.ts'
import { parseDuration } from '../format/duration.ts'
import { toJsonText } from '../format/json.ts'
import { withSharedStore } from '../wiring/shared-store.ts'

interface OutputFlags {
  readonly json?: true
}

interface ListFlags extends OutputFlags {
  readonly all?: true
}

interface OrderFlags extends OutputFlags {
  readonly reason: string
  readonly actor: string
  readonly for: string
}

export const command = new Command()
  .addCommand(
    new Command('list')
      .description('shows every breaker that has had requests')
      .option('--all', 'also those that another of the same name has replaced')
      .option('--json', 'print JSON')
      .action(async (flags: ListFlags) => {
        const stale = flags.all === true
        const breakers = await withSharedStore('breakers', store => listBreakers(store, { stale }))
        process.stdout.write(
          flags.json ? toJsonText(breakers.map(shownBreaker), 2) : renderBreakers(breakers),
        )
      }),
  )
  .addCommand(
    new Command('show')
      .description('shows one breaker')
      .argument('<breaker>', 'name or id of the service or route, or service:<id>, route:<id>')
      .option('--json', 'print JSON')
      .action(async (name: string, flags: OutputFlags) => {
        const breaker = await withSharedStore('breakers', store => findBreaker(store, name))
        process.stdout.write(flags.json ? toJsonText(shownBreaker(breaker), 2) : describeBreaker(breaker))
      }),
  )
  .addCommand(order('open', 'forced-open', 'rejects every request'))
  .addCommand(order('close', 'forced-closed', 'lets every request pass'))
  .addCommand(order('observe', 'metrics-only', 'decides and counts, but rejects nothing'))
  .addCommand(order('disable', 'disabled', 'neither counts nor rejects'))
  .addCommand(order('auto', 'auto', 'lets the breaker decide by itself again'))

function order(verb: string, mode: Mode, does: string): Command {
  const made = new Command(verb)
    .description(does)
    .argument('<breaker>', 'name or id of the service or route, or service:<id>, route:<id>')
    .requiredOption('--reason <text>', 'why; stands in the event and in `sluice breaker show`')
    .option('--actor <name>', 'who orders it', userInfo().username)
    .option('--json', 'print JSON')
  if (mode !== 'auto') made.option('--for <time>', 'when the order ends by itself: 90s, 15m, 2h, 7d', '1h')
  return made.action(async (name: string, flags: OrderFlags) => {
    const remainingMs = mode === 'auto' ? 0 : parseDuration(flags.for)
    const breaker = await withSharedStore('breakers', async store => {
      // A breaker that has had no request can be ordered by its whole key only.
      const key = /^(service|route):./.test(name) ? name : (await findBreaker(store, name)).key
      return orderMode(store, key, { mode, remainingMs, actor: flags.actor, reason: flags.reason })
    })
    process.stdout.write(flags.json ? toJsonText(shownBreaker(breaker), 2) : describeBreaker(breaker))
  })
}
