import type { Clock, Store } from '../../sdk/sdk.ts'
import { type Account, learn } from './account.ts'
import type { LimitSet } from './limit-set.ts'
import { type Demand, REFUSED } from './limiter.ts'
import { NOTHING_REMEMBERED, type TakeArguments, type Taken, takeScript } from './script.ts'
import { WARM_KEY, WARM_LIMITS } from './warm.ts'

export interface LedgerOptions {
  readonly store: Store
  readonly clock: Clock
  /** The store has answered a call for this key. */
  readonly onAnswer: (key: string) => void
}

const NOTHING: Demand = { cost: 0, wanted: 0, ahead: 0, reserve: 0 }

/** A call of the limiter's script for an account. */
interface Call {
  readonly account: Account
  readonly limitSet: LimitSet
  readonly operation: TakeArguments['operation']
  readonly demand: Demand
  readonly store: Store
  readonly onLate: ((answer: Promise<Taken>) => void) | undefined
}

/**
 * What is debited from subjects in the store, and what this process owes to it: tokens that it granted alone, until
 * they are debited, and calls whose answers have not come yet.
 */
export class Ledger {
  readonly #options: LedgerOptions
  /** Difference between the store's clock and our monotonic one, microseconds. */
  #offsetMicros: number
  #outages = 0

  constructor(options: LedgerOptions) {
    this.#options = options
    const { clock } = options
    this.#offsetMicros = Math.floor((clock.now() - clock.monotonic()) * 1000)
  }

  /** How often the store has gone away: what it said before may be lost since. */
  get outages(): number {
    return this.#outages
  }

  /** In the time of the store, as far as it is known. */
  nowMicros(): number {
    return Math.floor(this.#offsetMicros + this.#options.clock.monotonic() * 1000)
  }

  storeAway(): void {
    this.#outages++
  }

  /** @param isPatient asks the store that rather waits. */
  take(account: Account, limitSet: LimitSet, demand: Demand, isPatient: boolean): Taken | Promise<Taken> {
    // Calls of one connection are served in order, so this one counts before the decision.
    if (account.local) void this.settle(account)
    const { store } = this.#options
    return this.#run({
      account,
      limitSet,
      operation: 'take',
      demand,
      store: isPatient ? store.patient : store,
      // Memory is never late.
      onLate: store.kind === 'memory' ? undefined : answer => this.#awaitLate(account, demand.wanted, answer),
    })
  }

  /** Takes a debit back. Where the store is away it stays: that admits less, never more. */
  async giveBack(account: Account, cost: number): Promise<void> {
    try {
      await this.#add(account, 0 - cost)
    } catch {
      // Of no harm but to the subject.
    }
  }

  /** Debits what was granted alone, but for what a call has debited that is under way still. */
  async settle(account: Account): Promise<void> {
    const { local } = account
    if (!local) return
    const covered = Math.min(local.used, account.inDoubt)
    const owed = local.used - covered
    account.local = covered > 0 ? { ...local, used: covered } : undefined
    if (owed === 0) return
    const owe = () => {
      const now = account.local
      account.local = { states: now?.states ?? local.states, used: owed + (now?.used ?? 0) }
    }
    let late: Promise<Taken> | undefined
    const onLate = (answer: Promise<Taken>) => {
      late = answer
    }
    try {
      await this.#add(account, owed, onLate)
    } catch {
      if (late) late.catch(owe)
      else owe()
    }
  }

  /**
   * The first call after a connection brings the script to Redis, which takes longer than a request may wait on a busy
   * machine: a call that debits nothing does it ahead.
   */
  async warm(): Promise<void> {
    const about = { limitSet: WARM_LIMITS, remembered: NOTHING_REMEMBERED, forced: false }
    try {
      await this.#options.store.run(takeScript, WARM_KEY, { ...NOTHING, ...about, operation: 'take' })
    } catch {
      // A request will find out.
    }
  }

  /** An answer that was too late has been decided without. What it debited pays for what was granted alone. */
  #awaitLate(account: Account, wanted: number, answer: Promise<Taken>): void {
    account.inDoubt += wanted
    const settled = answer.then(
      ({ granted }) => {
        const debited = Math.max(0, granted)
        const paid = Math.min(debited, account.local?.used ?? 0)
        account.inDoubt -= wanted
        if (account.local) account.local = { ...account.local, used: account.local.used - paid }
        if (granted !== REFUSED && debited > paid) void this.giveBack(account, debited - paid)
      },
      () => {
        // Lost: nobody knows whether it ran. Debited once more, it admits less, never more.
        account.inDoubt -= wanted
      },
    )
    void settled.then(() => this.settle(account))
  }

  /** Debits without asking; gives back what is negative. */
  async #add(account: Account, cost: number, onLate?: Call['onLate']): Promise<Taken> {
    const { limitSet } = account
    const { patient: store } = this.#options.store
    const demand = { ...NOTHING, cost }
    return this.#run({ account, limitSet, operation: 'add', demand, store, onLate })
  }

  #run({ account, limitSet, operation, demand, store, onLate }: Call): Taken | Promise<Taken> {
    const outages = this.#outages
    const { cost, wanted, ahead, reserve } = demand
    const { remembered } = account
    const forced = account.outages !== outages
    // Not by spreading: that takes V8 longer than all the rest here.
    const args = { limitSet, operation, cost, wanted, ahead, reserve, remembered, forced }
    const answer = store.run(takeScript, account.key, args, onLate)
    if (!(answer instanceof Promise)) {
      learn(account, answer, limitSet, outages)
      return answer
    }
    return answer.then(taken => {
      const { clock, onAnswer } = this.#options
      this.#offsetMicros = taken.nowMicros - clock.monotonic() * 1000
      learn(account, taken, limitSet, outages)
      onAnswer(account.key)
      return taken
    })
  }
}
