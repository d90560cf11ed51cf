import { randomBytes, randomUUID } from 'node:crypto'
import type { AutoValues } from '../schema/field.ts'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** Ids and keys from the system's randomness: a key is 32 letters and digits. */
export function randomAuto(now: () => number): AutoValues {
  return { uuid: () => randomUUID(), randomString, now }
}

function randomString(): string {
  let text = ''
  // Bytes that would favour the first letters are thrown away.
  while (text.length < 32)
    for (const byte of randomBytes(48))
      if (byte < 248 && text.length < 32) text += ALPHABET[byte % ALPHABET.length]
  return text
}
