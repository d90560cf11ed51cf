import { userInfo } from 'node:os'
import { Command } from 'commander'
import { SluiceError } from '../../foundation/errors.ts'
import { purge, readStats } from '../../plugins/response-cache/management.ts'
import type { Purge } from '../../plugins/response-cache/purge.ts'
import { renderStats } from '../format/cache.ts'
import { toJsonText } from '../format/json.ts'
import { withSharedStore } from '../wiring/shared-store.ts'

interface PurgeFlags {
  readonly key?: string
  readonly prefix?: string
  readonly tag?: string
  readonly all?: true
  readonly host?: string
  readonly reason?: string
  readonly actor: string
  readonly json?: true
}

const HELP = `
A key is a path with its query, as response-cache stores it: arguments sorted by
name, without those that carry an API key. All its variants go, for all
consumers. Every node stops using what was purged at once, and answers that are
under way are not stored.
Needs SLUICE_REDIS_URL, as the plugin servers have it.

Examples:
  sluice cache purge --key '/products?page=2'
  sluice cache purge --prefix /products --host shop.example
  sluice cache purge --tag product-17
  sluice cache stats
`

export const command = new Command()
  .addHelpText('after', HELP)
  .addCommand(
    new Command('purge')
      .description('makes stored answers invalid on all nodes')
      .option('--key <path>', 'one path with its query')
      .option('--prefix <path>', 'every path that begins with it')
      .option('--tag <tag>', 'every answer that has it in Surrogate-Key')
      .option('--all', 'everything')
      .option('--host <host>', 'only what was asked of this host')
      .option('--reason <text>', 'why; part of the event')
      .option('--actor <name>', 'who; part of the event', userInfo().username)
      .option('--json', 'print JSON')
      .action(async (flags: PurgeFlags) => {
        const wanted = purgeOf(flags)
        const order = await withSharedStore('stored answers', store => purge(store, wanted))
        process.stdout.write(flags.json ? toJsonText(order, 2) : `purged: ${describe(order)}\n`)
      }),
  )
  .addCommand(
    new Command('stats')
      .description('shows how much is stored, and how each node fares')
      .option('--json', 'print JSON')
      .action(async (flags: { readonly json?: true }) => {
        const stats = await withSharedStore('stored answers', readStats)
        process.stdout.write(flags.json ? toJsonText(stats, 2) : renderStats(stats))
      }),
  )

function purgeOf({ key, prefix, tag, all, host, reason, actor }: PurgeFlags): Purge {
  const given: Purge[] = [
    ...(key === undefined ? [] : [{ kind: 'key', value: key } as const]),
    ...(prefix === undefined ? [] : [{ kind: 'prefix', value: prefix } as const]),
    ...(tag === undefined ? [] : [{ kind: 'tag', value: tag } as const]),
    ...(all ? [{ kind: 'all', value: '' } as const] : []),
  ]
  const [first] = given
  if (!first || given.length > 1)
    throw new SluiceError('SLUICE_CLI_USAGE', 'give one of --key, --prefix, --tag, --all')
  return { ...first, actor, ...(host !== undefined && { host }), ...(reason !== undefined && { reason }) }
}

const describe = ({ kind, value, host }: Purge): string =>
  `${kind === 'all' ? 'everything' : `${kind} ${value}`}${host === undefined ? '' : ` of ${host}`}`
