import { type Clock, messageOf, type Store, systemTimers, type Timers } from '../../sdk/sdk.ts'
import { type Account, decideLocally, isLeaseValid, isRefusedStill, rememberRefusal } from './account.ts'
import { AccountBook } from './account-book.ts'
import { Leases, limitsOf } from './leases.ts'
import { Ledger } from './ledger.ts'
import { type AnnouncedChange, CHANGES_CHANNEL, parseChange } from './limit-admin.ts'
import type { LimitSet } from './limit-set.ts'
import { REFUSED } from './limiter.ts'
import { capacityOfAll } from './policy.ts'
import type { Request } from './request.ts'
import { NOTHING_REMEMBERED, type Taken } from './script.ts'
import { admit, refuse, type Verdict } from './verdict.ts'

export interface DeciderOptions {
  readonly store: Store
  readonly clock: Clock
  readonly onDegraded?: (degraded: boolean, reason: string) => void
  /** An operator has changed the limits of a subject. */
  readonly onChanged?: (change: AnnouncedChange) => void
  readonly timers?: Timers
  readonly maxAccounts?: number
}

const SWEEP_MS = 250

/** Decides requests: from tokens at hand, from a remembered refusal, by the store, or alone while that is away. */
export class Decider {
  readonly #options: DeciderOptions
  readonly #store: Store
  readonly #ledger: Ledger
  readonly #accounts: AccountBook
  readonly #leases: Leases
  readonly #stops: (() => void)[]
  #isDegraded = false

  constructor(options: DeciderOptions) {
    const { store, clock, timers = systemTimers } = options
    this.#options = options
    this.#store = store
    this.#ledger = new Ledger({ store, clock, onAnswer: key => this.#answered(key) })
    this.#accounts = new AccountBook({
      maxAccounts: options.maxAccounts ?? 50_000,
      outages: () => this.#ledger.outages,
      onDrop: account => void this.#leases.giveUp(account),
    })
    this.#leases = new Leases({
      peers: store.peers,
      ledger: this.#ledger,
      decideAlone: (account, request, reason) => this.#decideAlone(account, request, reason),
    })
    const whenAvailable = (available: boolean) => (available ? this.#whenBack() : this.#ledger.storeAway())
    this.#stops = [
      timers.every(SWEEP_MS, () => this.#leases.sweep()),
      store.onAvailability(whenAvailable),
      store.patient.onAvailability(whenAvailable),
      store.watch(CHANGES_CHANNEL, message => this.#heed(message)),
    ]
    if (store.available) void this.#ledger.warm()
  }

  /** Decides at once where it can, so that most requests need not wait for a turn of the event loop. */
  decide(request: Request): Verdict | Promise<Verdict> {
    const { limitSet, cost } = request
    const account = this.#accounts.of(request.key, limitSet)
    const now = this.#ledger.nowMicros()
    const { limits } = account
    if (account.remembered.generation !== '' && cost > capacityOfAll(limits))
      return refuse('memory', { limits, states: account.remembered.states, nowMicros: now }, cost)
    if (isRefusedStill(account, now) && cost >= account.refusedCost)
      return refuse('memory', { limits, states: account.remembered.states, nowMicros: now }, cost)
    const { kind } = this.#store
    const isLeased = request.leaseTolerance !== undefined && kind === 'redis'
    const spent = isLeased ? this.#leases.spend(account, cost, now) : undefined
    if (spent) return spent
    if (!this.#storeOf(request).canReach(account.key))
      return this.#decideAlone(account, request, 'Redis unavailable')
    const isShared = kind === 'redis' && !limitSet.hasShadow && !this.#leases.isLate(account, now)
    return isLeased || isShared ? this.#leases.wait(account, request) : this.#decideByStore(account, request)
  }

  /** Takes a debit back: the request was not served after all. */
  giveBack(request: Request): void {
    const account = this.#accounts.of(request.key, request.limitSet)
    const { local } = account
    const owed = Math.min(request.cost, local?.used ?? 0)
    const debited = request.cost - owed
    if (local && owed > 0) account.local = { ...local, used: local.used - owed }
    if (isLeaseValid(account, this.#ledger.nowMicros())) this.#leases.putBack(account, debited)
    else if (debited > 0) void this.#ledger.giveBack(account, debited)
    account.refusedUntilMicros = 0
  }

  async close(): Promise<void> {
    for (const stop of this.#stops) stop()
    const owed = [...this.#accounts.all()].map(account => this.#ledger.settle(account))
    await Promise.all([this.#leases.close(), ...owed])
  }

  /** Strict requests rather wait than guess. */
  #storeOf({ leaseTolerance }: Request): Store {
    return leaseTolerance === undefined ? this.#store.patient : this.#store
  }

  // --- by the store ---

  #decideByStore(account: Account, request: Request): Verdict | Promise<Verdict> {
    const { cost, limitSet } = request
    const answer = this.#ledger.take(account, limitSet, { cost, wanted: cost, ahead: 0, reserve: 0 }, true)
    if (!(answer instanceof Promise)) return this.#conclude(account, limitSet, cost, answer)
    return answer.then(
      taken => this.#conclude(account, limitSet, cost, taken),
      (error: unknown) => this.#decideAlone(account, request, messageOf(error)),
    )
  }

  #conclude(account: Account, limitSet: LimitSet, cost: number, taken: Taken): Verdict {
    const known = { limits: limitsOf(account, limitSet), states: taken.states, nowMicros: taken.nowMicros }
    if (taken.granted !== REFUSED) return admit('store', known, { overrun: taken.overrun })
    const verdict = refuse('store', known, cost)
    rememberRefusal(account, verdict, cost)
    return verdict
  }

  // --- alone ---

  #decideAlone(account: Account, request: Request, reason: string): Verdict {
    // One late call is no outage: it is decided alone, and the next one asks the store again.
    if (!this.#storeOf(request).canReach(account.key)) this.#degrade(true, reason)
    const nowMicros = this.#ledger.nowMicros()
    const { limits, remembered } = account
    switch (request.onStoreError) {
      case 'open':
        return admit('open', { limits, states: [], nowMicros })
      case 'closed':
        return {
          ...admit('closed', { limits, states: remembered.states, nowMicros }),
          outcome: 'unavailable',
          retryMicros: 1_000_000,
        }
      case 'local':
        return decideLocally(account, request.cost, this.#store.peers.processes, nowMicros)
    }
  }

  #whenBack(): void {
    void this.#ledger.warm()
    for (const account of this.#accounts.all()) if (account.local) void this.#ledger.settle(account)
  }

  #answered(key: string): void {
    if (this.#isDegraded && this.#store.canReach(key) && this.#store.patient.canReach(key))
      this.#degrade(false, 'the store answers again')
  }

  #degrade(degraded: boolean, reason: string): void {
    if (this.#isDegraded === degraded) return
    this.#isDegraded = degraded
    this.#options.onDegraded?.(degraded, reason)
  }

  // --- operators ---

  #heed(message: string): void {
    const change = parseChange(message)
    if (!change) return
    this.#options.onChanged?.(change)
    const account = this.#accounts.find(change.key)
    if (!account) return
    account.refusedUntilMicros = 0
    // The first answer of the store brings the new limits; until then nothing of the old ones is taken for certain.
    account.remembered = NOTHING_REMEMBERED
    if (change.action === 'reset') account.tokens = 0
  }
}
