import { type Clock, type Logger, messageOf, SluiceError } from '../../sdk/sdk.ts'
import { manifestStamp, readKeyFolder } from './key-folder.ts'
import type { SigningKey } from './signing-key.ts'

/** How often the folder is looked at, milliseconds: well below the time between publishing a key and signing with it. */
const LOOK_EVERY_MS = 1_000

export interface KeyRingParts {
  readonly folder: string
  readonly clock: Clock
  readonly log: Logger
  /** Called after each reading of the folder. */
  readonly onRead?: (outcome: 'read' | 'failed') => void
}

/**
 * The keys of a folder, read again whenever its manifest is replaced. A folder that can't be read any more costs no
 * request anything: the keys that were read last stay.
 */
export class KeyRing {
  readonly #parts: KeyRingParts
  #keys: readonly SigningKey[] = []
  #kids: ReadonlySet<string> = new Set()
  #stamp: string | undefined
  #fault: SluiceError | undefined
  #lookAgainAt = Number.NEGATIVE_INFINITY

  constructor(parts: KeyRingParts) {
    this.#parts = parts
  }

  /**
   * All that are published, the first to sign first.
   *
   * @throws SluiceError SLUICE_TOKEN_KEYS as long as the folder could never be read.
   */
  all(): readonly SigningKey[] {
    const now = this.#parts.clock.monotonic()
    if (now >= this.#lookAgainAt) {
      this.#lookAgainAt = now + LOOK_EVERY_MS
      this.#look()
    }
    if (this.#keys.length === 0) throw this.#fault ?? new SluiceError('SLUICE_TOKEN_KEYS', 'there is no key')
    return this.#keys
  }

  /** The key that signs now: the newest whose time has come, or the first where the time of none has. */
  current(): SigningKey {
    const keys = this.all()
    const now = this.#parts.clock.now() / 1_000
    return keys.findLast(key => key.notBefore <= now) ?? (keys[0] as SigningKey)
  }

  /** Whether tokens that the key signed are still accepted. */
  has(kid: string): boolean {
    return this.#kids.has(kid)
  }

  #look(): void {
    const { folder, log, onRead } = this.#parts
    try {
      const stamp = manifestStamp(folder)
      if (stamp !== undefined && stamp === this.#stamp) return
      const keys = readKeyFolder(folder)
      this.#keys = keys
      this.#kids = new Set(keys.map(key => key.kid))
      this.#stamp = stamp
      this.#fault = undefined
      log.info({ keys: keys.map(({ kid, notBefore }) => ({ kid, notBefore })) }, 'signing keys read')
      onRead?.('read')
    } catch (error) {
      const isNews = this.#fault?.message !== messageOf(error)
      this.#fault =
        error instanceof SluiceError ? error : new SluiceError('SLUICE_TOKEN_KEYS', messageOf(error))
      onRead?.('failed')
      if (isNews)
        log.error(
          { reason: this.#fault.message, kept: this.#keys.length },
          this.#keys.length === 0
            ? 'no signing keys: requests are rejected'
            : 'signing keys cannot be read: those read last stay in use',
        )
    }
  }
}
