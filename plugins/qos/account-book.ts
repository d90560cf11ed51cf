import { type Account, createAccount, useLimitSet } from './account.ts'
import type { LimitSet } from './limit-set.ts'

export interface AccountBookOptions {
  readonly maxAccounts: number
  /** Outages of the store so far: a new account has seen none of them. */
  readonly outages: () => number
  /** An account is about to be forgotten. */
  readonly onDrop: (account: Account) => void
}

/** How many accounts in recent use are passed over when one has to go. */
const SECOND_CHANCES = 16

/** The accounts of this process, a bounded number of them. */
export class AccountBook {
  readonly #options: AccountBookOptions
  readonly #accounts = new Map<string, Account>()
  /** One for all time: a new one would pass over every account that was ever dropped. */
  readonly #oldest = this.#accounts.values()

  constructor(options: AccountBookOptions) {
    this.#options = options
  }

  find(key: string): Account | undefined {
    return this.#accounts.get(key)
  }

  all(): Iterable<Account> {
    return this.#accounts.values()
  }

  /** The account of a subject under these limits; a new one where there is none. */
  of(key: string, limitSet: LimitSet): Account {
    const known = this.#accounts.get(key)
    if (known) {
      useLimitSet(known, limitSet)
      known.isRecent = true
      return known
    }
    if (this.#accounts.size >= this.#options.maxAccounts) this.#dropOne()
    const account = createAccount(key, limitSet)
    account.outages = this.#options.outages()
    this.#accounts.set(key, account)
    return account
  }

  /** Drops one that has long been quiet: those used since the last look get a second chance. */
  #dropOne(): void {
    for (let looked = 0; looked < this.#accounts.size; looked++) {
      const account = this.#oldest.next().value!
      this.#accounts.delete(account.key)
      const isBusy = account.isAsking || account.inDoubt > 0 || account.local !== undefined
      if (!isBusy && !(account.isRecent && looked < SECOND_CHANCES)) {
        this.#options.onDrop(account)
        return
      }
      account.isRecent = false
      this.#accounts.set(account.key, account)
    }
  }
}
