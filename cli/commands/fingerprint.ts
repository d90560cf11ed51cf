import { Command } from 'commander'
import { SluiceError } from '../../foundation/errors.ts'
import { readSettings } from '../../foundation/settings.ts'
import { fingerprintsOf } from '../../management/live/fingerprints.ts'
import { toJsonText } from '../format/json.ts'

export const command = new Command()
  .option('--json', 'as JSON')
  .addHelpText(
    'after',
    `
Reads a key from standard input, so that it stands in no history and in no list
of processes, and prints its fingerprint under every secret that is set
(SLUICE_FINGERPRINT_SECRET, SLUICE_FINGERPRINT_OLD_SECRETS).

  printf %s "$KEY" | sluice fingerprint
  printf %s "$KEY" | sluice audit --key-stdin   # searches by it`,
  )
  .action(async (flags: { json?: boolean }) => {
    const found = fingerprintsOf(readSettings(), await readKey(process.stdin))
    process.stdout.write(
      flags.json
        ? toJsonText(found, 2)
        : found
            .map(
              ({ fingerprint, secretId, current }) =>
                `${fingerprint}  secret ${secretId}${current ? '' : ' (old)'}\n`,
            )
            .join(''),
    )
  })

/** The key's bytes; one line end behind it is not part of it. */
export async function readKey(input: AsyncIterable<Buffer | string>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of input) chunks.push(Buffer.from(chunk))
  const bytes = Buffer.concat(chunks)
  const end = bytes.at(-1) === 10 ? (bytes.at(-2) === 13 ? -2 : -1) : bytes.length
  const key = bytes.subarray(0, end)
  if (key.length === 0) throw new SluiceError('SLUICE_CLI_USAGE', 'there is no key on standard input')
  return key
}
