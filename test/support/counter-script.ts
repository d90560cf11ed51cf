import type { ScriptList, StoreScript } from '../../sdk/store.ts'

/** Adds ARGV[1] to a counter that ends ARGV[2] milliseconds after the last call. */
export const counterScript: StoreScript<number> = {
  name: 'test-counter',
  lua: `
    local total = redis.call('HINCRBY', KEYS[1], 'n', ARGV[1])
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return {total}
  `,
  apply(hash, [amount, expireInMs]) {
    const total = Number(hash.get('n') ?? 0) + Number(amount)
    hash.set('n', total)
    return { result: total, expireInMs: Number(expireInMs) }
  },
  decode: ([total]: ScriptList) => Number(total),
}
