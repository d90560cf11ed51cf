import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { SluiceError } from '../foundation/errors.ts'

const KEY_BYTES = 32
const IV_BYTES = 12
const TAG_BYTES = 16
const ID = /^[\w.-]{1,32}$/

interface Key {
  readonly id: string
  readonly bytes: Buffer
  /** Derived from it (RFC 5869): a key is used for one thing only. */
  readonly digestKey: Buffer
}

/** A new line for the key file: an id that says when it was made, and 32 random bytes. */
export const newKeyLine = (nowMs: number): string =>
  `${new Date(nowMs).toISOString().slice(0, 10)}-${randomBytes(2).toString('hex')}:${randomBytes(KEY_BYTES).toString('base64')}`

/**
 * Seals secrets at rest by AES-256-GCM (NIST SP 800-38D), with the first key; opens them with whichever key sealed them.
 *
 * A sealed value is: length of the key's id (1 byte) · id · initialisation vector (12) · tag (16) · ciphertext.
 */
export class Sealer {
  readonly #keys: ReadonlyMap<string, Key>
  readonly #current: Key

  /**
   * @param text a line a key, `id:base64`, the one in use first; `#` begins a comment.
   * @throws SluiceError SLUICE_CONFIG_INVALID
   */
  constructor(text: string) {
    const keys = text
      .split('\n')
      .map(line => line.trim())
      .filter(line => line !== '' && !line.startsWith('#'))
      .map((line, i) => parseKey(line, i + 1))
    const [current] = keys
    if (!current) throw invalid('it holds no key')
    this.#current = current
    this.#keys = new Map(keys.map(key => [key.id, key]))
    if (this.#keys.size < keys.length) throw invalid('two keys have the same id')
  }

  /** The id of the key in use. */
  get keyId(): string {
    return this.#current.id
  }

  /** A digest that nobody without the key can try values against; the key's id stands in front. */
  digest(text: string): string {
    const { id, digestKey } = this.#current
    return `${id}:${createHmac('sha256', digestKey).update(text).digest('base64url')}`
  }

  /** @param context what the value belongs to: it can be opened under the same context only. */
  seal(value: unknown, context: string): Buffer {
    const { id, bytes } = this.#current
    const iv = randomBytes(IV_BYTES)
    const cipher = createCipheriv('aes-256-gcm', bytes, iv).setAAD(Buffer.from(context))
    const text = Buffer.concat([cipher.update(JSON.stringify(value)), cipher.final()])
    return Buffer.concat([Buffer.from([id.length]), Buffer.from(id), iv, cipher.getAuthTag(), text])
  }

  /** @throws SluiceError SLUICE_MANAGER_INTERNAL where the key is missing, or the value is not what was sealed. */
  open(sealed: Buffer, context: string): unknown {
    const idEnd = 1 + (sealed[0] ?? 0)
    const id = sealed.subarray(1, idEnd).toString()
    const key = this.#keys.get(id)
    if (!key)
      throw new SluiceError(
        'SLUICE_MANAGER_INTERNAL',
        `SLUICE_MANAGER_KEY lacks the key ${JSON.stringify(id)}`,
      )
    const [iv, rest] = [sealed.subarray(idEnd, idEnd + IV_BYTES), sealed.subarray(idEnd + IV_BYTES)]
    try {
      const decipher = createDecipheriv('aes-256-gcm', key.bytes, iv, { authTagLength: TAG_BYTES })
        .setAAD(Buffer.from(context))
        .setAuthTag(rest.subarray(0, TAG_BYTES))
      const text = Buffer.concat([decipher.update(rest.subarray(TAG_BYTES)), decipher.final()])
      return JSON.parse(text.toString())
    } catch {
      throw new SluiceError('SLUICE_MANAGER_INTERNAL', `a sealed value of ${context} cannot be opened`)
    }
  }
}

function parseKey(line: string, number: number): Key {
  const colon = line.indexOf(':')
  const id = line.slice(0, colon)
  const bytes = Buffer.from(line.slice(colon + 1), 'base64')
  if (colon < 1 || !ID.test(id) || bytes.length !== KEY_BYTES)
    throw invalid(`line ${number} is not \`id:base64\` of ${KEY_BYTES} bytes`)
  const digestKey = Buffer.from(hkdfSync('sha256', bytes, '', 'sluice manager digest', KEY_BYTES))
  return { id, bytes, digestKey }
}

const invalid = (reason: string) => new SluiceError('SLUICE_CONFIG_INVALID', `SLUICE_MANAGER_KEY: ${reason}`)
