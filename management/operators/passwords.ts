import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

/** As OWASP's cheat sheet on password storage has it: 32 MiB, three passes. */
const COST = { N: 2 ** 15, r: 8, p: 3 } as const
const MAX_MEMORY_BYTES = 64 * 1_048_576
const SALT_BYTES = 16
const HASH_BYTES = 32
/** Each takes memory and a thread of four. */
const MOST_AT_ONCE = 2
const SHORTEST = 12
export const LONGEST_PASSWORD = 200

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt)

/** Makes and verifies hashes of passwords (scrypt, RFC 7914), a few at once. */
export class Passwords {
  #running = 0
  readonly #waiting: (() => void)[] = []
  /** What the password of an operator who does not exist is compared with, so that it takes as long. */
  #decoy: Promise<string> | undefined

  /** @returns `scrypt$N$r$p$salt$hash` */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES)
    const hash = await this.#derive(password, salt, COST)
    return ['scrypt', COST.N, COST.r, COST.p, salt.toString('base64url'), hash.toString('base64url')].join(
      '$',
    )
  }

  /** @param stored null where there is no such operator, or one without a password: false, after as long a time. */
  async verify(password: string, stored: string | null): Promise<boolean> {
    this.#decoy ??= this.hash(randomBytes(SALT_BYTES).toString('hex'))
    const [scheme, N, r, p, salt = '', hash = ''] = (stored ?? (await this.#decoy)).split('$')
    if (scheme !== 'scrypt') return false
    const wanted = Buffer.from(hash, 'base64url')
    const cost = { N: Number(N), r: Number(r), p: Number(p) }
    const found = await this.#derive(password, Buffer.from(salt, 'base64url'), cost)
    return found.length === wanted.length && timingSafeEqual(found, wanted) && stored !== null
  }

  async #derive(password: string, salt: Buffer, cost: ScryptOptions): Promise<Buffer> {
    if (this.#running >= MOST_AT_ONCE) await new Promise<void>(resolve => this.#waiting.push(resolve))
    else this.#running++
    try {
      // The same password may be typed in several forms of Unicode.
      return await derive(password.normalize('NFKC'), salt, HASH_BYTES, { ...cost, maxmem: MAX_MEMORY_BYTES })
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running--
    }
  }
}

/** What is wrong with a new password; undefined where nothing is (NIST SP 800-63B: length, no rules of composition). */
export function faultOf(password: string, name: string): string | undefined {
  const { length } = [...password]
  if (length < SHORTEST) return `has ${length} characters; it needs at least ${SHORTEST}`
  if (length > LONGEST_PASSWORD) return `is longer than ${LONGEST_PASSWORD} characters`
  if (password.toLowerCase().includes(name.toLowerCase()) && length < SHORTEST + name.length)
    return 'consists of little more than the name of the operator'
  if (new Set(password).size < 4) return 'repeats very few characters'
  return undefined
}
