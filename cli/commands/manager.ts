import { Command, Option } from 'commander'
import { systemClock } from '../../foundation/clock.ts'
import { SluiceError } from '../../foundation/errors.ts'
import { createLogger } from '../../foundation/log.ts'
import { readSettings } from '../../foundation/settings.ts'
import { ROLES, type Role } from '../../management/http/access.ts'
import { openDatabase } from '../../management/manager.ts'
import { Operators, type TokenRow } from '../../management/operators/operators.ts'
import { faultOf, Passwords } from '../../management/operators/passwords.ts'
import { newKeyLine } from '../../management/sealer.ts'
import { toJsonText } from '../format/json.ts'
import { layOutTable } from '../format/table.ts'
import { readKey } from './fingerprint.ts'
import { changeCommand } from './manager-change.ts'

const DAY_MS = 86_400_000

export const command = new Command()
  .option('--listen <host:port>', 'where it listens (SLUICE_MANAGER_LISTEN)')
  .action(async ({ listen }: { listen?: string }) => {
    const env = { ...process.env, ...(listen !== undefined && { SLUICE_MANAGER_LISTEN: listen }) }
    const settings = readSettings(env)
    const { startManager } = await import('../../management/manager.ts')
    const manager = await startManager(settings, { log: createLogger(settings.logLevel) })
    await untilEnded()
    await manager.close()
  })

const untilEnded = () =>
  new Promise<void>(resolve => {
    process.once('SIGTERM', () => resolve())
    process.once('SIGINT', () => resolve())
  })

command
  .command('catalogue')
  .description('serves the catalogue alone (SLUICE_CATALOGUE_LISTEN), without the management API')
  .action(async () => {
    const settings = readSettings()
    const { startCatalogue } = await import('../../management/catalogue/start.ts')
    const catalogue = await startCatalogue(settings)
    await untilEnded()
    await catalogue.close()
  })

command
  .command('key')
  .description('prints a new line for the file of SLUICE_MANAGER_KEY_FILE')
  .action(() => void process.stdout.write(`${newKeyLine(Date.now())}\n`))

const operator = command.command('operator').description('manages who may use the manager')

operator
  .command('add <name>')
  .description('adds an operator, and prints a first token unless told otherwise')
  .addOption(new Option('--role <role>', 'what it may').choices(ROLES).makeOptionMandatory())
  .option('--no-token', 'without a token')
  .action((name: string, { role, token }: { role: Role; token: boolean }) =>
    withOperators(async operators => {
      await operators.add(name, role)
      if (!token) return
      process.stdout.write(`${await operators.addToken(name, 'first', null)}\n`)
    }),
  )

operator
  .command('list')
  .description('shows the operators with their roles')
  .option('--json', 'as JSON')
  .action(({ json }: { json?: boolean }) =>
    withOperators(async operators => {
      const rows = await operators.list()
      const cells = rows.map(({ name, role, disabledAt }) => [name, role, disabledAt ? 'disabled' : 'active'])
      process.stdout.write(json ? toJsonText(rows, 2) : layOutTable(['operator', 'role', 'state'], cells))
    }),
  )

operator
  .command('disable <name>')
  .description('ends the tokens and sessions of an operator for good')
  .action((name: string) =>
    withOperators(async operators => {
      if (!(await operators.disable(name))) throw notFound(`an active operator ${JSON.stringify(name)}`)
    }),
  )

operator
  .command('password <name>')
  .description('sets the password with which an operator logs in, from standard input; ends the sessions')
  .action((name: string) =>
    withOperators(async operators => {
      const password = (await readKey(process.stdin)).toString()
      const fault = faultOf(password, name)
      if (fault !== undefined) throw new SluiceError('SLUICE_CLI_USAGE', `the password ${fault}`)
      await operators.setPassword(name, await new Passwords().hash(password))
    }),
  )

const token = command.command('token').description('manages tokens')

token
  .command('create <operator> <name>')
  .description('prints a new token, which is shown this once')
  .option('--days <n>', 'how long it is good; for ever where left out')
  .action((owner: string, name: string, { days }: { days?: string }) =>
    withOperators(async operators => {
      const expiresAt = days === undefined ? null : new Date(systemClock.now() + Number(days) * DAY_MS)
      if (expiresAt && Number.isNaN(expiresAt.getTime()))
        throw new SluiceError('SLUICE_CLI_USAGE', `--days: ${JSON.stringify(days)} is not a number`)
      process.stdout.write(`${await operators.addToken(owner, name, expiresAt)}\n`)
    }),
  )

token
  .command('list')
  .description('shows the tokens, when they expire and were last used')
  .option('--json', 'as JSON')
  .action(({ json }: { json?: boolean }) =>
    withOperators(async operators => {
      const rows = await operators.listTokens()
      const time = (at: Date | null) => at?.toISOString() ?? '-'
      const cells = rows.map(row => [
        row.operator,
        row.name,
        time(row.expiresAt),
        time(row.lastUsedAt),
        stateOf(row),
      ])
      const head = ['operator', 'token', 'expires', 'last used', 'state']
      process.stdout.write(json ? toJsonText(rows, 2) : layOutTable(head, cells))
    }),
  )

token
  .command('revoke <operator> <name>')
  .description('ends a token, within a second everywhere')
  .action((owner: string, name: string) =>
    withOperators(async operators => {
      if (!(await operators.revokeToken(owner, name)))
        throw notFound(`an active token ${JSON.stringify(name)} of ${owner}`)
    }),
  )

command.addCommand(changeCommand)

function stateOf({ revokedAt, expiresAt }: Pick<TokenRow, 'revokedAt' | 'expiresAt'>): string {
  if (revokedAt) return 'revoked'
  return expiresAt && expiresAt.getTime() <= systemClock.now() ? 'expired' : 'active'
}

const notFound = (what: string) => new SluiceError('SLUICE_MANAGER_NOT_FOUND', `there is not ${what}`)

async function withOperators(work: (operators: Operators) => Promise<void>): Promise<void> {
  const database = openDatabase(readSettings(), createLogger('warn', 2))
  try {
    await database.migrate()
    await work(new Operators(database, systemClock))
  } finally {
    await database.close()
  }
}
