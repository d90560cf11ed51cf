import { createHash } from 'node:crypto'

/** 128 bits of SHA-256: enough that nobody finds two requests with one name. */
export const hash = (text: string): string =>
  createHash('sha256').update(text).digest('base64url').slice(0, 22)
