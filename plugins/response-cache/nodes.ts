/** What each process tells of its cache, for whoever looks at all of them. */
import type { StoreScript } from '../../sdk/sdk.ts'

export interface NodeCounts {
  readonly node: string
  readonly entries: number
  readonly bytes: number
  /** Requests since the process began, by outcome. */
  readonly requests: Readonly<Record<string, number>>
}

export const NODES_KEY = '{sluice:cache}:nodes'
/** A process tells its counts this often; one that has been silent for three times as long has gone. */
export const TELL_MS = 5000
const GONE_MS = 3 * TELL_MS

export interface NodesCall {
  /** Of the process; empty to read only. */
  readonly id: string
  readonly counts?: NodeCounts
}

const separate = (value: string): readonly [atMs: number, json: string] => {
  const space = value.indexOf(' ')
  return [Number(value.slice(0, space)), value.slice(space + 1)]
}

/** Writes the counts of one process, and gives those of all that live. */
export const nodesScript: StoreScript<readonly NodeCounts[], NodesCall> = {
  name: 'cache-nodes',
  lua: `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[1] ~= '' then
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f ', now) .. ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ${GONE_MS})
end
local reply = {}
for _, id in ipairs(redis.call('HKEYS', KEYS[1])) do
  local value = redis.call('HGET', KEYS[1], id)
  local at, json = string.match(value, '^(%d+) (.*)$')
  if now - tonumber(at) > ${GONE_MS} then redis.call('HDEL', KEYS[1], id)
  else reply[#reply + 1] = json end
end
table.sort(reply)
return reply`,
  encode: ({ id, counts }) => [id, counts === undefined ? '' : JSON.stringify(counts)],
  apply(hash, { id, counts }, nowMicros) {
    const nowMs = Math.floor(nowMicros / 1000)
    if (id !== '') hash.set(id, `${nowMs} ${JSON.stringify(counts)}`)
    const living: string[] = []
    for (const [each, value] of [...hash]) {
      const [atMs, json] = separate(String(value))
      if (nowMs - atMs > GONE_MS) hash.delete(each)
      else living.push(json)
    }
    return { result: living.sort().map(readCounts), expireInMs: GONE_MS }
  },
  decode: reply => (reply as readonly string[]).map(readCounts),
}

const readCounts = (json: string): NodeCounts => JSON.parse(json) as NodeCounts
