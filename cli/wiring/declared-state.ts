/** What plan, apply and dump-state have in common: flags, files, and the Admin API. */
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { Command, InvalidArgumentError, Option } from 'commander'
import { systemClock } from '../../foundation/clock.ts'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { AdminClient } from '../../kong/admin/client.ts'
import { waitForKong } from '../../kong/admin/ready.ts'
import { type RetryParts, wait } from '../../kong/admin/retry.ts'
import { readSource, type Source } from '../../kong/reconcile/files/source.ts'
import { type Plan, planState } from '../../kong/reconcile/plan.ts'
import { withPluginChecks } from './plugin-checks.ts'
import { loadAskedPlugins, type PluginFlags, withPluginOptions } from './plugin-options.ts'

export interface KongFlags {
  readonly adminUrl: string
  readonly header: readonly string[]
  readonly wait: string
  readonly parallel: string
}

export interface AdminFlags extends KongFlags {
  readonly selectTag: readonly string[]
  readonly json?: boolean
}

export interface FileFlags extends AdminFlags, PluginFlags {
  readonly file: readonly string[]
}

/** Time and chance of the real world. */
export const retryParts: RetryParts = { monotonic: systemClock.monotonic, random: Math.random, wait }

const collect = (value: string, before: readonly string[] = []): string[] => [...before, value]

const collectTag = (tag: string, before: readonly string[]): string[] => {
  // An unset shell variable must not decide what is ours.
  if (tag.trim() === '') throw new InvalidArgumentError('a tag must not be empty.')
  if (tag.includes(',')) throw new InvalidArgumentError('one tag each: repeat --select-tag.')
  return collect(tag, before)
}

/** A command with the flags that say where Kong is. */
export function kongCommand(): Command {
  return new Command()
    .addOption(
      new Option('--admin-url <url>', "Kong's Admin API")
        .env('SLUICE_ADMIN_URL')
        .default('http://127.0.0.1:8001'),
    )
    .option('--header <name:value>', 'sent with each request; repeatable', collect, [])
    .option('--wait <seconds>', 'how long to wait for Kong', '60')
    .option('--parallel <n>', 'requests at once', '10')
}

/** The same with the flags that say what is ours. */
export const adminCommand = (): Command =>
  kongCommand()
    .option('--select-tag <tag>', 'only entities with this tag are touched; repeatable', collectTag, [])
    .option('--json', 'print JSON')

/** The same with the files of the declared state, and the plugins that check it. */
export const fileCommand = (): Command =>
  withPluginOptions(
    adminCommand().requiredOption(
      '-f, --file <file>',
      'declared state; `-` is the input; repeatable',
      collect,
    ),
  )

/** @throws SluiceError SLUICE_CLI_USAGE for a number that is none. */
export function wholeNumber(flag: string, text: string, min: number): number {
  const number = Number(text)
  if (!/^\d+$/.test(text) || number < min)
    throw new SluiceError('SLUICE_CLI_USAGE', `${flag} ${text}: not a whole number from ${min} on`)
  return number
}

/**
 * Compares the files with what Kong holds. The shipped plugins, and those of `--plugins`, check their own entries.
 */
export async function planFiles(
  client: AdminClient,
  sources: readonly Source[],
  flags: FileFlags,
): Promise<Plan> {
  const plugins = await loadAskedPlugins(flags)
  return withPluginChecks(plugins, checkPlugin =>
    planState(client, sources, { selectTags: flags.selectTag, newId: randomUUID, checkPlugin }),
  )
}

/** Reads the files and fills in the environment. */
export function readSources(files: readonly string[]): Promise<readonly Source[]> {
  return Promise.all(
    files.map(async file => {
      const [name, text] = file === '-' ? ['stdin', await readInput()] : [file, await readText(file)]
      return readSource(text, name, process.env)
    }),
  )
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new SluiceError('SLUICE_CLI_USAGE', `cannot read ${file}: ${messageOf(error)}`)
  }
}

async function readInput(): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

/** Runs `work` with a client of a Kong that answers, and closes the client. The signal ends the waiting for Kong. */
export async function withKong<T>(
  flags: KongFlags,
  work: (client: AdminClient) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const client = new AdminClient({
    url: flags.adminUrl,
    headers: parseHeaders(flags.header),
    connections: wholeNumber('--parallel', flags.parallel, 1),
  })
  try {
    let told = false
    const onRetry = () => {
      if (!told) process.stderr.write(`waiting for Kong at ${client.url} …\n`)
      told = true
    }
    const forMs = wholeNumber('--wait', flags.wait, 0) * 1000
    await waitForKong(client, { forMs, maxPauseMs: 500, onRetry, ...(signal && { signal }) }, retryParts)
    return await work(client)
  } finally {
    await client.close()
  }
}

function parseHeaders(lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    lines.map(line => {
      const colon = line.indexOf(':')
      // The value may be a secret, so a wrong one is not repeated.
      if (colon < 1) throw new SluiceError('SLUICE_CLI_USAGE', '--header is not NAME:VALUE')
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
}

/** Who runs the command: whoever became root by sudo keeps the name. */
export function actorName(env: Readonly<Record<string, string | undefined>>): string {
  try {
    return env.SUDO_USER ?? userInfo().username
  } catch {
    return env.USER ?? 'unknown'
  }
}
