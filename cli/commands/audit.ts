import { Command, Option } from 'commander'
import { type AuditAnswer, type AuditQuestion, askAudit } from '../../events/postgres/audit.ts'
import { SluiceError } from '../../foundation/errors.ts'
import { readSettings } from '../../foundation/settings.ts'
import { fingerprintsOf } from '../../management/live/fingerprints.ts'
import { readTime } from '../format/span.ts'
import { layOutTable } from '../format/table.ts'
import { withDatabase } from '../wiring/database.ts'
import { readKey } from './fingerprint.ts'

interface AuditFlags {
  readonly consumer?: string
  readonly credential?: string
  readonly keyFingerprint?: string[]
  readonly keyStdin?: boolean
  readonly address?: string
  readonly service?: string
  readonly route?: string
  readonly denied?: boolean
  readonly granted?: boolean
  readonly anonymous?: boolean
  readonly reason?: string
  readonly since: string
  readonly until?: string
  readonly limit: string
  readonly json?: boolean
}

export const command = new Command()
  .option('--consumer <name>', 'name, id or custom id of the consumer')
  .option('--credential <id>', 'id of the credential in Kong')
  .option('--key-fingerprint <fingerprint...>', 'as `sluice fingerprint` prints it')
  .option('--key-stdin', 'a key on standard input; looked for under every secret that is set')
  .option('--address <ip>', 'client address')
  .option('--service <name>', 'name or id of the service')
  .option('--route <name>', 'name or id of the route')
  .option('--denied', 'only refused requests')
  .addOption(new Option('--granted', 'only granted requests').conflicts('denied'))
  .addOption(
    new Option('--anonymous', 'only requests of anonymous consumers').conflicts(['denied', 'granted']),
  )
  .option('--reason <reason>', 'missing, duplicate, invalid, missing_or_invalid, forbidden, limited or error')
  .option('--since <time>', 'a span such as 30m, 1h or 7d, or a date', '1h')
  .option('--until <time>', 'the same')
  .option('--limit <count>', 'how many at most, the newest first', '100')
  .option('--json', 'one JSON object a line, with every field')
  .action(async (flags: AuditFlags) => {
    const question = await questionOf(flags)
    const answers = await withDatabase(client => askAudit(client, question))
    process.stdout.write(flags.json ? answers.map(jsonLine).join('') : tableOf(answers))
  })

async function questionOf(flags: AuditFlags): Promise<AuditQuestion> {
  const now = Date.now()
  const limit = Number(flags.limit)
  if (!Number.isInteger(limit) || limit < 1)
    throw new SluiceError(
      'SLUICE_CLI_USAGE',
      `--limit: ${JSON.stringify(flags.limit)} is not a positive integer`,
    )
  const fingerprints = [...(flags.keyFingerprint ?? [])]
  if (flags.keyStdin)
    for (const { fingerprint } of fingerprintsOf(readSettings(), await readKey(process.stdin)))
      fingerprints.push(fingerprint)
  const outcome = (['denied', 'granted', 'anonymous'] as const).find(name => flags[name])
  const { consumer, credential, address, service, route, reason } = flags
  return {
    ...(consumer !== undefined && { consumer }),
    ...(credential !== undefined && { credential }),
    ...(address !== undefined && { address }),
    ...(service !== undefined && { service }),
    ...(route !== undefined && { route }),
    ...(reason !== undefined && { reason }),
    ...(outcome !== undefined && { outcome }),
    ...(fingerprints.length > 0 && { fingerprints }),
    sinceMs: readTime(flags.since, '--since', now),
    ...(flags.until !== undefined && { untilMs: readTime(flags.until, '--until', now) }),
    limit,
  }
}

const jsonLine = ({ time, id, node, data }: AuditAnswer) =>
  `${JSON.stringify({ time: time.toISOString(), id, node, ...data })}\n`

const HEADS = ['TIME', 'OUTCOME', 'REASON', 'CONSUMER', 'KEY', 'ADDRESS', 'REQUEST', 'STATUS', 'SERVICE']

function tableOf(answers: readonly AuditAnswer[]): string {
  if (answers.length === 0) return 'no matching requests\n'
  return layOutTable(
    HEADS,
    answers.map(({ time, data }) => [
      time.toISOString(),
      data.outcome,
      data.reason,
      data.consumer_username ?? data.consumer_id,
      data.key_fingerprint === null ? data.key_visibility : String(data.key_fingerprint).slice(0, 12),
      data.client_ip,
      `${data.method ?? ''} ${data.path ?? ''}`,
      data.status,
      data.service_name ?? data.service_id,
    ]),
  )
}
