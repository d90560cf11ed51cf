import type { Database, Queries } from '../database.ts'
import { Problem } from '../http/problem.ts'

/** How many failures are free, and how long the pause after them grows at most. */
interface Pace {
  readonly free: number
  readonly longestSeconds: number
}

/** An account's pauses stay short: whoever guesses must not lock its owner out. */
const ACCOUNT: Pace = { free: 4, longestSeconds: 30 }
/** Behind a proxy all clients have one address. */
const ADDRESS: Pace = { free: 20, longestSeconds: 30 }
const FORGOTTEN_AFTER = "interval '1 hour'"

/**
 * Slows logins down, by account and by address, over all processes. An attempt counts as failed from its begin, so that
 * many at once are no way around it.
 */
export class LoginPace {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** @throws Problem SLUICE_MANAGER_TOO_MANY with `Retry-After` */
  async begin(account: string, address: string): Promise<void> {
    await this.#database.transaction(async client => {
      // Always in this order: two attempts at once must not wait for each other.
      await take(client, 'address', address, ADDRESS)
      await take(client, 'account', account.toLowerCase(), ACCOUNT)
    })
  }

  /** The failures of the account are forgotten; one of the address is taken back. */
  async succeeded(account: string, address: string): Promise<void> {
    await this.#database.query(
      "delete from sluice_manager.login_attempts where subject_kind = 'account' and subject = $1",
      [account.toLowerCase()],
    )
    await this.#database.query(
      `update sluice_manager.login_attempts set failures = greatest(failures - 1, 0), next_at = now()
        where subject_kind = 'address' and subject = $1`,
      [address],
    )
    await this.#database.query(
      `delete from sluice_manager.login_attempts where changed_at < now() - ${FORGOTTEN_AFTER}`,
    )
  }
}

async function take(
  client: Queries,
  kind: 'account' | 'address',
  subject: string,
  { free, longestSeconds }: Pace,
): Promise<void> {
  const { rowCount } = await client.query(TAKE, [kind, subject, free, longestSeconds])
  if (rowCount === 1) return
  const { rows } = await client.query<{ seconds: number }>(REMAINING, [kind, subject])
  const seconds = Math.max(1, rows[0]?.seconds ?? 1)
  throw new Problem(
    'SLUICE_MANAGER_TOO_MANY',
    `too many failed logins of this ${kind}; try again in ${seconds} s`,
    { headers: { 'retry-after': String(seconds) } },
  )
}

const FAILURES = `(case when a.changed_at < now() - ${FORGOTTEN_AFTER} then 1 else a.failures + 1 end)`

/** Writes no row while a pause lasts. It doubles with each failure beyond the free ones, from one second. */
const TAKE = `
  insert into sluice_manager.login_attempts as a (subject_kind, subject, failures, next_at)
  values ($1, $2, 1, now())
  on conflict (subject_kind, subject) do update set
    failures = ${FAILURES},
    changed_at = now(),
    next_at = now() + make_interval(secs => case when ${FAILURES} <= $3::int then 0
      else least($4::int, power(2, least(${FAILURES} - $3::int - 1, 20))) end)
  where a.next_at <= now()`

const REMAINING = `
  select ceil(extract(epoch from next_at - now()))::int as seconds
    from sluice_manager.login_attempts where subject_kind = $1 and subject = $2`
