/** One leader over all nodes. The lock lives as long as its leader may take, and ends by itself. */
import type { StoreScript } from '../../sdk/sdk.ts'

export interface LockCall {
  readonly token: string
  /** 0 gives the lock back. */
  readonly holdMs: number
}

/** @returns 0 when it is held now by the token (or free, after giving it back), else how long another one may hold it yet, milliseconds. */
export const lockScript: StoreScript<number, LockCall> = {
  name: 'cache-lock',
  lua: `local holder = redis.call('HGET', KEYS[1], 'holder')
local hold = tonumber(ARGV[2])
if holder and holder ~= ARGV[1] then return {math.max(redis.call('PTTL', KEYS[1]), 1)} end
if hold == 0 then
  redis.call('DEL', KEYS[1])
else
  redis.call('HSET', KEYS[1], 'holder', ARGV[1])
  redis.call('PEXPIRE', KEYS[1], hold)
end
return {0}`,
  encode: ({ token, holdMs }) => [token, Math.ceil(holdMs)],
  apply(hash, { token, holdMs }, nowMicros) {
    const holder = hash.get('holder')
    const leftMs = Math.ceil(Number(hash.get('until') ?? 0) - nowMicros / 1000)
    if (holder !== undefined && holder !== token)
      return { result: Math.max(leftMs, 1), expireInMs: Math.max(leftMs, 1) }
    if (holdMs === 0) return { result: 0, expireInMs: 0 }
    hash.set('holder', token)
    hash.set('until', nowMicros / 1000 + holdMs)
    return { result: 0, expireInMs: Math.ceil(holdMs) }
  },
  decode: reply => Number((reply as readonly number[])[0]),
}
