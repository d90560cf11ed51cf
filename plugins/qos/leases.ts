import { messageOf, type Peers } from '../../sdk/sdk.ts'
import { type Account, isLeaseValid, LEASE_MICROS, noteDemand, rememberRefusal } from './account.ts'
import type { Ledger } from './ledger.ts'
import type { Limit } from './limit.ts'
import type { LimitSet } from './limit-set.ts'
import { type Demand, REFUSED } from './limiter.ts'
import type { Request } from './request.ts'
import type { Taken } from './script.ts'
import { admit, refuse, type Verdict } from './verdict.ts'

export interface LeasesOptions {
  readonly peers: Peers
  readonly ledger: Ledger
  /** Decides when the store can't. */
  readonly decideAlone: (account: Account, request: Request, reason: string) => Verdict
}

const NOTHING_AHEAD = { ahead: 0, reserve: 0 }

/** A strict request waits for another one's call to end only where that began less than this ago. */
const LATE_MICROS = 5_000

/**
 * Tokens that were debited in the store before they are needed, and lie in memory. One call asks for all requests of a
 * subject that wait; those that come meanwhile wait for the next. Leased ones ask for some more; strict ones share the
 * call and leave nothing at hand.
 */
export class Leases {
  readonly #options: LeasesOptions
  readonly #leased = new Set<Account>()

  constructor(options: LeasesOptions) {
    this.#options = options
  }

  /** Decides by the tokens at hand; undefined when there are not enough. */
  spend(account: Account, cost: number, nowMicros: number): Verdict | undefined {
    noteDemand(account, cost, nowMicros)
    const isWaitedFor = account.waiters.length > 0
    if (account.tokens < cost || !isLeaseValid(account, nowMicros) || isWaitedFor) return undefined
    account.tokens -= cost
    const { limits, tokens } = account
    return admit('lease', { limits, states: account.remembered.states, nowMicros }, { tokens })
  }

  /** Whether the subject's call under way takes long: a strict request had better make its own. */
  isLate(account: Account, nowMicros: number): boolean {
    return account.isAsking && nowMicros - account.askedAtMicros > LATE_MICROS
  }

  /** Waits for tokens. */
  wait(account: Account, request: Request): Promise<Verdict> {
    return new Promise(settle => {
      account.waiters.push({ request, settle })
      if (!account.isAsking) void this.#ask(account)
    })
  }

  /** Gives back what has lain unused. */
  sweep(): void {
    const nowMicros = this.#options.ledger.nowMicros()
    for (const account of this.#leased) if (!isLeaseValid(account, nowMicros)) void this.giveUp(account)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#leased].map(account => this.giveUp(account)))
  }

  /** Keeps tokens that a request did not use after all, as long as those at hand may be used. */
  putBack(account: Account, tokens: number): void {
    account.tokens += tokens
    if (account.tokens > 0) this.#leased.add(account)
  }

  /** Gives the tokens of a subject back. */
  async giveUp(account: Account): Promise<void> {
    this.#leased.delete(account)
    const { tokens } = account
    account.tokens = 0
    if (tokens > 0) await this.#options.ledger.giveBack(account, tokens)
  }

  /** Asks until nobody waits; each call is for those whose limits are the same as the first one's. */
  async #ask(account: Account): Promise<void> {
    const { waiters } = account
    const { ledger } = this.#options
    account.isAsking = true
    while (waiters.length > 0) {
      const { request } = waiters[0]!
      const { limitSet, cost } = request
      const isStrict = request.leaseTolerance === undefined
      account.askedAtMicros = ledger.nowMicros()
      let wanted = 0
      // What a strict call debits must serve somebody: what went back was refused to others meanwhile.
      for (const { request: other } of waiters)
        if (other.limitSet === limitSet && (!isStrict || other.cost === cost)) wanted += other.cost
      try {
        const { ahead, reserve } = this.#ahead(account, request)
        const taken = await ledger.take(account, limitSet, { cost, wanted, ahead, reserve }, isStrict)
        if (taken.granted === REFUSED) this.#refuse(account, request, taken)
        else this.#serve(account, request, taken)
      } catch (error) {
        // Those who joined meanwhile have waited as long: a strict request joins young calls only.
        for (const waiter of waiters.splice(0))
          waiter.settle(this.#options.decideAlone(account, waiter.request, messageOf(error)))
      }
    }
    account.isAsking = false
  }

  /**
   * ⌊ε·L/N⌋ for the smallest limit, as long as ε·L stay behind for the other nodes, and no more than were asked for
   * within a second.
   */
  #ahead(account: Account, { limitSet, leaseTolerance = 0 }: Request): Pick<Demand, 'ahead' | 'reserve'> {
    const { peers } = this.#options
    if (leaseTolerance === 0 || !peers.isSettled) return NOTHING_AHEAD
    const held = Math.floor(leaseTolerance * smallest(limitsOf(account, limitSet)))
    const { present, before } = account.demand
    const useful = Math.min(Math.floor(held / peers.processes), Math.max(present, before) - 1)
    return { ahead: Math.max(0, useful - account.tokens), reserve: held }
  }

  #serve(account: Account, asked: Request, taken: Taken): void {
    const { limitSet } = asked
    const isLeased = asked.leaseTolerance !== undefined
    const { waiters } = account
    const limits = limitsOf(account, limitSet)
    let tokens = taken.granted
    // Tokens of other limits stay with these.
    if (isLeased && account.limitSet === limitSet) tokens += account.tokens
    for (const waiter of waiters.splice(0)) {
      const { request, settle } = waiter
      if (request.limitSet === limitSet && request.cost <= tokens) {
        tokens -= request.cost
        settle(
          admit(
            'store',
            { limits, states: taken.states, nowMicros: taken.nowMicros },
            { tokens, overrun: taken.overrun },
          ),
        )
      } else waiters.push(waiter)
    }
    if (account.limitSet !== limitSet) return
    if (isLeased) {
      account.tokens = tokens
      account.tokensUntilMicros = taken.nowMicros + LEASE_MICROS
      if (tokens > 0) this.#leased.add(account)
    } else if (tokens > 0) {
      // One for whom they were has gone.
      void this.#options.ledger.giveBack(account, tokens)
    }
  }

  #refuse(account: Account, refused: Request, taken: Taken): void {
    const { limitSet, cost } = refused
    const limits = limitsOf(account, limitSet)
    const verdict = (own: number) =>
      refuse('store', { limits, states: taken.states, nowMicros: taken.nowMicros }, own)
    if (account.limitSet === limitSet) rememberRefusal(account, verdict(cost), cost)
    for (const waiter of account.waiters.splice(0)) {
      const { request } = waiter
      if (request.limitSet === limitSet && request.cost >= cost) waiter.settle(verdict(request.cost))
      else account.waiters.push(waiter)
    }
  }
}

/** The limits in force of a set: those of the account know the overrides. */
export function limitsOf(account: Account, limitSet: LimitSet): readonly Limit[] {
  return account.limitSet === limitSet ? account.limits : limitSet.limits
}

/** The smallest of all that the limits admit at once or in a window. */
function smallest(limits: readonly Limit[]): number {
  let least = Number.POSITIVE_INFINITY
  for (const limit of limits)
    if (!limit.shadow)
      least = Math.min(least, limit.requests, limit.kind === 'gcra' ? limit.burst : limit.requests)
  return least
}
