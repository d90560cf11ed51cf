import { randomFillSync } from 'node:crypto'
import type { RandomHex } from '../../sdk/trace-context.ts'

const POOL_BYTES = 8_192

/**
 * Random bytes from a pool that is drawn at once: each call into the crypto library costs a microsecond, whatever it
 * gives. Ids of spans need no secrecy, but must not collide over processes.
 */
export function createRandomHex(): RandomHex {
  const pool = Buffer.alloc(POOL_BYTES)
  let at = pool.length
  return bytes => {
    if (at + bytes > pool.length) {
      randomFillSync(pool)
      at = 0
    }
    at += bytes
    return pool.toString('hex', at - bytes, at)
  }
}
