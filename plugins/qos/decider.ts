import { type Clock, messageOf, type Store } from '../../sdk/sdk.ts'
import { type Account, decideLocally, learn, rememberRefusal } from './account.ts'
import { AccountBook } from './account-book.ts'
import { type Every, everySystem, Heartbeat } from './heartbeat.ts'
import { Leases, limitsOf } from './leases.ts'
import { type Demand, REFUSED } from './limiter.ts'
import { type AnnouncedChange, CHANGES_CHANNEL, parseChange } from './operate.ts'
import { createPlan, type Plan } from './plan.ts'
import { capacityOfAll } from './policy.ts'
import type { Request } from './request.ts'
import { NOTHING_REMEMBERED, type Taken, takeScript } from './script.ts'
import { admit, refuse, type Verdict } from './verdict.ts'

export interface DeciderOptions {
  readonly store: Store
  readonly clock: Clock
  /** Unique among all nodes, workers of one machine included. */
  readonly id: string
  readonly onDegraded?: (degraded: boolean, reason: string) => void
  /** An operator has changed the limits of a subject. */
  readonly onChanged?: (change: AnnouncedChange) => void
  readonly every?: Every
  readonly maxAccounts?: number
}

const SWEEP_MS = 250
const WARM_KEY = '{sluice:qos:nodes}:warm'
const WARM_PLAN = createPlan([
  { kind: 'gcra', name: 'warm', shadow: false, requests: 1, burst: 1, perMicros: 1_000_000 },
])

/** Decides requests: from tokens at hand, from a remembered refusal, by the store, or alone while that is away. */
export class Decider {
  readonly #options: DeciderOptions
  readonly #store: Store
  readonly #heartbeat: Heartbeat
  readonly #accounts: AccountBook
  readonly #leases: Leases
  readonly #stops: (() => void)[]
  /** Difference between the store's clock and our monotonic one, microseconds. */
  #offsetMicros: number
  #outages = 0
  #isDegraded = false

  constructor(options: DeciderOptions) {
    const { store, clock, every = everySystem } = options
    this.#options = options
    this.#store = store
    this.#accounts = new AccountBook({
      maxAccounts: options.maxAccounts ?? 50_000,
      outages: () => this.#outages,
      onDrop: account => void this.#leases.giveUp(account),
    })
    this.#offsetMicros = Math.floor((clock.now() - clock.monotonic()) * 1000)
    this.#heartbeat = new Heartbeat(store, options.id, every, () => {})
    this.#leases = new Leases({
      heartbeat: this.#heartbeat,
      nowMicros: () => this.#nowMicros(),
      take: (account, plan, demand) => this.#take(account, plan, demand),
      giveBack: (account, tokens) => this.#add(account, -tokens),
      decideAlone: (account, request, reason) => this.#decideAlone(account, request, reason),
    })
    this.#stops = [
      every(SWEEP_MS, () => this.#leases.sweep(this.#nowMicros())),
      store.onAvailability(available => (available ? this.#whenBack() : this.#outages++)),
      store.watch(CHANGES_CHANNEL, message => this.#heed(message)),
    ]
    if (store.available) void this.#warm()
  }

  /** How many nodes share the store. */
  get nodes(): number {
    return this.#heartbeat.nodes
  }

  /** Decides at once where it can, so that most requests need not wait for a turn of the event loop. */
  decide(request: Request): Verdict | Promise<Verdict> {
    const { plan, cost } = request
    const account = this.#accounts.of(request.key, plan)
    const now = this.#nowMicros()
    const { limits } = account
    if (account.remembered.generation !== '' && cost > capacityOfAll(limits))
      return refuse('memory', limits, account.remembered.states, cost, now)
    if (account.refusedUntilMicros > now && cost >= account.refusedCost)
      return refuse('memory', limits, account.remembered.states, cost, now)
    const isLeased = request.leaseTolerance !== undefined && this.#store.kind === 'redis'
    const spent = isLeased ? this.#leases.spend(account, cost, now) : undefined
    if (spent) return spent
    if (!this.#store.canReach(account.key)) return this.#decideAlone(account, request, 'Redis is away')
    const isShared = this.#store.kind === 'redis' && !plan.hasShadow && !this.#leases.isLate(account, now)
    return isLeased || isShared ? this.#leases.wait(account, request) : this.#decideByStore(account, request)
  }

  /** Takes a debit back: the request was not served after all. */
  giveBack(request: Request): void {
    const account = this.#accounts.of(request.key, request.plan)
    const { cost } = request
    if (account.local) account.local = { ...account.local, used: Math.max(0, account.local.used - cost) }
    else if (account.tokensUntilMicros > this.#nowMicros()) account.tokens += cost
    else if (this.#store.canReach(account.key)) void this.#add(account, -cost).catch(() => {})
    account.refusedUntilMicros = 0
  }

  async close(): Promise<void> {
    for (const stop of this.#stops) stop()
    const local = [...this.#accounts.all()].map(account => this.#commitLocal(account))
    await Promise.allSettled([this.#leases.close(), ...local])
    await this.#heartbeat.close()
  }

  // --- by the store ---

  #decideByStore(account: Account, request: Request): Verdict | Promise<Verdict> {
    const { cost, plan } = request
    const answer = this.#take(account, plan, { cost, wanted: cost, ahead: 0, reserve: 0 })
    if (!(answer instanceof Promise)) return this.#conclude(account, plan, cost, answer)
    return answer.then(
      taken => this.#conclude(account, plan, cost, taken),
      (error: unknown) => this.#decideAlone(account, request, messageOf(error)),
    )
  }

  #conclude(account: Account, plan: Plan, cost: number, taken: Taken): Verdict {
    const limits = limitsOf(account, plan)
    if (taken.granted !== REFUSED)
      return admit('store', limits, taken.states, taken.nowMicros, { overrun: taken.overrun })
    const verdict = refuse('store', limits, taken.states, cost, taken.nowMicros)
    rememberRefusal(account, verdict, cost)
    return verdict
  }

  #take(account: Account, plan: Plan, demand: Demand): Taken | Promise<Taken> {
    // Calls of one connection are served in order, so this one counts before the decision.
    if (account.local) void this.#commitLocal(account).catch(() => {})
    return this.#run(account, 'take', plan, demand)
  }

  #add(account: Account, cost: number): Promise<Taken> {
    const demand = { cost, wanted: cost, ahead: 0, reserve: 0 }
    return Promise.resolve(this.#run(account, 'add', account.plan, demand))
  }

  #run(account: Account, operation: 'take' | 'add', plan: Plan, demand: Demand): Taken | Promise<Taken> {
    const outages = this.#outages
    const { cost, wanted, ahead, reserve } = demand
    const forced = account.outages !== outages
    const args = { plan, operation, cost, wanted, ahead, reserve, remembered: account.remembered, forced }
    const answer = this.#store.run(takeScript, account.key, args)
    if (!(answer instanceof Promise)) {
      learn(account, answer, plan, outages)
      return answer
    }
    return answer.then(taken => {
      this.#offsetMicros = taken.nowMicros - this.#options.clock.monotonic() * 1000
      learn(account, taken, plan, outages)
      if (this.#isDegraded) this.#degrade(false, 'the store answers again')
      return taken
    })
  }

  // --- alone ---

  #decideAlone(account: Account, request: Request, reason: string): Verdict {
    this.#degrade(true, reason)
    const now = this.#nowMicros()
    const { limits, remembered } = account
    switch (request.onStoreError) {
      case 'open':
        return admit('open', limits, [], now)
      case 'closed':
        return {
          ...admit('closed', limits, remembered.states, now),
          outcome: 'unavailable',
          retryMicros: 1_000_000,
        }
      case 'local':
        return decideLocally(account, request.cost, this.#heartbeat.nodes, now)
    }
  }

  /**
   * The first call after a connection brings the script to Redis, which takes longer than a request may wait on a busy
   * machine: a call that debits nothing does it ahead.
   */
  async #warm(): Promise<void> {
    const nothing = {
      cost: 0,
      wanted: 0,
      ahead: 0,
      reserve: 0,
      remembered: NOTHING_REMEMBERED,
      forced: false,
    }
    try {
      await this.#store.run(takeScript, WARM_KEY, { ...nothing, plan: WARM_PLAN, operation: 'take' })
    } catch {
      // A request will find out.
    }
  }

  #whenBack(): void {
    void this.#warm()
    for (const account of this.#accounts.all())
      if (account.local) void this.#commitLocal(account).catch(() => {})
  }

  /** Debits, once, what was admitted while the store was away. */
  async #commitLocal(account: Account): Promise<void> {
    const { local } = account
    if (!local) return
    account.local = undefined
    if (local.used === 0) return
    try {
      await this.#add(account, local.used)
    } catch (error) {
      const now = (account as Account).local
      account.local = { states: now?.states ?? local.states, used: local.used + (now?.used ?? 0) }
      throw error
    }
  }

  #degrade(degraded: boolean, reason: string): void {
    if (this.#isDegraded === degraded) return
    this.#isDegraded = degraded
    this.#options.onDegraded?.(degraded, reason)
  }

  // --- accounts ---

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

  #nowMicros(): number {
    return Math.floor(this.#offsetMicros + this.#options.clock.monotonic() * 1000)
  }
}
