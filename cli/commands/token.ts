import { Command } from 'commander'
import { systemClock } from '../../foundation/clock.ts'
import { SluiceError } from '../../foundation/errors.ts'
import { readSettings } from '../../foundation/settings.ts'
import { JWKS_MAX_AGE_S } from '../../plugins/upstream-token/jwks.ts'
import { readKeyFolder } from '../../plugins/upstream-token/key-folder.ts'
import { type KeyState, keyStates } from '../../plugins/upstream-token/key-states.ts'
import { rotate } from '../../plugins/upstream-token/rotation.ts'
import { parseDuration } from '../format/duration.ts'
import { toJsonText } from '../format/json.ts'
import { layOutTable } from '../format/table.ts'
import { type AdminFlags, withAdminOptions, withKong } from '../wiring/admin.ts'
import { withGivenFile } from '../wiring/given-files.ts'
import { fetchKeys, syncKeys } from '../wiring/token-sync.ts'

interface FolderFlags {
  readonly dir?: string
  readonly json?: true
}

interface RotateFlags extends FolderFlags {
  readonly in?: string
  readonly revoke?: true
}

interface SyncFlags extends AdminFlags {
  readonly jwks: string
  readonly consumer: string
  readonly json?: true
}

const nowSeconds = () => Math.floor(systemClock.now() / 1_000)
const timeOf = (seconds: number) => new Date(seconds * 1_000).toISOString().replace('.000Z', 'Z')
const describe = ({ state, notBefore, until }: KeyState) =>
  [state, timeOf(notBefore), until === undefined ? '' : timeOf(until)] as const

export const command = new Command()
  .addCommand(
    folderCommand('rotate')
      .description('adds a key that signs later, and removes those whose tokens have expired')
      .option('--in <time>', `when the new key signs: 90s, 10m, 2h (default: ${(2 * JWKS_MAX_AGE_S) / 60}m)`)
      .option('--revoke', 'the keys so far are no longer accepted, the new one signs at once')
      .addHelpText(
        'after',
        `
Every plugin server publishes the new key at once, and services learn it within
${JWKS_MAX_AGE_S / 60} minutes, before it signs. The first key of a folder signs
at once. With --revoke requests are rejected until the services have fetched the
new key.`,
      )
      .action((flags: RotateFlags) => {
        if (flags.revoke && flags.in !== undefined)
          throw new SluiceError('SLUICE_CLI_USAGE', '--revoke signs at once: leave out --in')
        const inSeconds = flags.in === undefined ? 2 * JWKS_MAX_AGE_S : parseDuration(flags.in) / 1_000
        const folder = folderOf(flags)
        const rotation = { now: nowSeconds(), inSeconds, revoke: flags.revoke === true }
        const rotated = withGivenFile('--dir', 'write', folder, () => rotate(folder, rotation))
        const { kid, signsFrom, removed } = rotated
        process.stdout.write(
          flags.json
            ? toJsonText({ kid, signs_from: timeOf(signsFrom), removed }, 2)
            : `${kid} signs from ${timeOf(signsFrom)}\n${removed.map(one => `${one} removed\n`).join('')}`,
        )
      }),
  )
  .addCommand(
    folderCommand('list')
      .description('shows the keys, which of them signs, and until when the others are accepted')
      .action((flags: FolderFlags) => {
        const states = keyStates(readKeyFolder(folderOf(flags)), nowSeconds())
        const rows = states.map(one => [one.kid, ...describe(one)])
        const json = states.map(one => ({
          kid: one.kid,
          state: one.state,
          signs_from: timeOf(one.notBefore),
          accepted_until: one.until === undefined ? null : timeOf(one.until),
        }))
        const table = layOutTable(['key', 'state', 'signs from', 'accepted until'], rows)
        process.stdout.write(flags.json ? toJsonText(json, 2) : table)
      }),
  )
  .addCommand(
    withAdminOptions(new Command('sync'))
      .description("makes Kong's plugin jwt accept the keys that a service publishes")
      .requiredOption('--jwks <url>', 'where the service publishes its keys, /.well-known/jwks.json usually')
      .requiredOption('--consumer <name>', 'the consumer in Kong that stands for the service')
      .option('--json', 'print JSON')
      .addHelpText(
        'after',
        `
Each key becomes a jwt credential of the consumer whose key is the kid:
configure the plugin jwt with key_claim_name: kid. Run it whenever keys may have
changed; a key should be published before it signs. Credentials that an earlier
sync made are removed when their key is no longer published.`,
      )
      .action(async (flags: SyncFlags) => {
        const keys = await fetchKeys(flags.jwks)
        const report = await withKong(flags, client => syncKeys(client, flags.consumer, keys))
        const { created, kept, deleted } = report
        process.stdout.write(
          flags.json
            ? toJsonText(report, 2)
            : `${created.length} created, ${kept.length} kept, ${deleted.length} deleted\n`,
        )
      }),
  )

function folderCommand(name: string): Command {
  return new Command(name)
    .option('--dir <folder>', 'folder of the keys (default: SLUICE_TOKEN_KEYS_DIR)')
    .option('--json', 'print JSON')
}

function folderOf({ dir }: FolderFlags): string {
  const folder = dir ?? readSettings().tokenKeysDir
  if (folder === undefined)
    throw new SluiceError('SLUICE_CLI_USAGE', 'give --dir, or set SLUICE_TOKEN_KEYS_DIR')
  return folder
}
