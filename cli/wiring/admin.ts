/** The flags that say where Kong's Admin API is, and a client of it. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { systemClock } from '../../foundation/clock.ts'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { AdminUnreachable } from '../../kong/admin/answer.ts'
import { AdminClient, type TlsOptions } from '../../kong/admin/client.ts'
import { waitForKong } from '../../kong/admin/ready.ts'
import { type RetryParts, wait } from '../../kong/admin/retry.ts'
import { readGivenFile } from './given-files.ts'

export interface AdminFlags {
  readonly adminUrl: string
  readonly header?: readonly string[]
  readonly caCert?: string
  readonly tlsSkipVerify?: boolean
  readonly cert?: string
  readonly key?: string
  readonly wait: number
  readonly parallel: number
}

/** Time and chance of the real world. */
export const retryParts: RetryParts = { monotonic: systemClock.monotonic, random: Math.random, wait }

export const collect = (value: string, before: readonly string[] = []): string[] => [...before, value]

/** Reads an integer of a flag. */
export const integerFrom =
  (min: number) =>
  (text: string): number => {
    const number = Number(text)
    if (!/^\d+$/.test(text) || number < min)
      throw new InvalidArgumentError(`it must be an integer of at least ${min}.`)
    return number
  }

export function withAdminOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--admin-url <url>', "Kong's Admin API")
        .env('SLUICE_ADMIN_URL')
        .default('http://127.0.0.1:8001'),
    )
    .option('--header <name:value>', 'send this header with each request; repeatable', collect)
    .option('--ca-cert <file>', 'PEM file of the authority that signed the certificate of the Admin API')
    .option('--tls-skip-verify', 'accept any certificate of the Admin API (for tests)')
    .option('--cert <file>', 'PEM file of a client certificate; needs --key')
    .option('--key <file>', 'PEM file of its private key')
    .option('--wait <seconds>', 'how long to wait for Kong to be ready', integerFrom(0), 60)
    .option('--parallel <n>', 'requests at once', integerFrom(1), 10)
}

export interface WaitOptions {
  /** Ends the waiting for Kong. */
  readonly signal?: AbortSignal
  /** How long to wait, seconds; default: that of the flags. */
  readonly waitSeconds?: number
}

const TELL_AFTER_MS = 1_000

/** Runs `work` with a client of a Kong that is ready, and closes the client. */
export async function withKong<T>(
  flags: AdminFlags,
  work: (client: AdminClient) => Promise<T>,
  { signal, waitSeconds = flags.wait }: WaitOptions = {},
): Promise<T> {
  const client = new AdminClient({
    url: flags.adminUrl,
    headers: parseHeaders(flags.header ?? []),
    connections: flags.parallel,
    tls: readTls(flags),
  })
  try {
    let isTold = false
    const onRetry = () => {
      if (!isTold) process.stderr.write(`waiting for Kong at ${client.url} …\n`)
      isTold = true
    }
    // A Kong that takes the request and does not answer is waited for, too.
    const slow = setTimeout(onRetry, TELL_AFTER_MS)
    const options = { forMs: waitSeconds * 1000, maxPauseMs: 500, onRetry, ...(signal && { signal }) }
    // Its answer may be long in coming.
    const giveUp = () => void client.close()
    signal?.addEventListener('abort', giveUp)
    await waitForKong(client, options, retryParts)
      .catch((error: unknown) => {
        throw signal?.aborted
          ? new AdminUnreachable(`ended while waiting for Kong at ${client.url}`, error)
          : error
      })
      .finally(() => {
        clearTimeout(slow)
        signal?.removeEventListener('abort', giveUp)
      })
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
      if (colon < 1) throw new SluiceError('SLUICE_CLI_USAGE', '--header must be NAME:VALUE')
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
}

function readTls({ caCert, cert, key, tlsSkipVerify }: AdminFlags): TlsOptions {
  if ((cert === undefined) !== (key === undefined))
    throw new SluiceError('SLUICE_CLI_USAGE', '--cert and --key must be given together')
  return {
    ...(caCert !== undefined && { ca: readPem('--ca-cert', caCert, text => new X509Certificate(text)) }),
    ...(cert !== undefined && { cert: readPem('--cert', cert, text => new X509Certificate(text)) }),
    ...(key !== undefined && { key: readPem('--key', key, createPrivateKey) }),
    ...(tlsSkipVerify && { rejectUnauthorized: false }),
  }
}

/** Node.js takes anything for an authority, and names a wrong certificate only when it connects. */
function readPem(option: string, file: string, parse: (text: string) => unknown): string {
  const text = readGivenFile(option, file)
  try {
    parse(text)
  } catch (error) {
    throw new SluiceError(
      'SLUICE_CLI_FILE',
      `${option}: ${file} is not the PEM file that it must be: ${messageOf(error)}`,
    )
  }
  return text
}
