/**
 * Orders to purge. A stored answer names the last order that was known when it was asked for; each later order that
 * means it makes it invalid. So a purge is one write, however much is stored, and an answer that is under way meanwhile
 * does not escape it.
 */
import type { ScriptOutcome, StoredHash, StoreScript } from '../../sdk/sdk.ts'
import type { Stored } from './entry.ts'

/** `key`: one path with its query, all variants and consumers. `prefix`: a path and what is below. `tag`: `Surrogate-Key`. */
export type PurgeKind = 'key' | 'prefix' | 'tag' | 'all'

export interface Purge {
  readonly kind: PurgeKind
  /** Empty for `all`. */
  readonly value: string
  /** Of one host only. */
  readonly host?: string
  /** Who ordered it, and why: part of the event. */
  readonly actor?: string
  readonly reason?: string
}

export interface PurgeOrder extends Purge {
  /** Grows with each; milliseconds of the store's clock, so that it grows also after Redis has lost its data. */
  readonly sequence: number
}

export function isMeant(stored: Stored, order: PurgeOrder): boolean {
  if (order.sequence <= stored.sequence) return false
  if (order.host !== undefined && order.host !== stored.host) return false
  switch (order.kind) {
    case 'all':
      return true
    case 'key':
      return stored.target === order.value
    case 'prefix':
      return stored.target.startsWith(order.value)
    case 'tag':
      return stored.tags.includes(order.value)
  }
}

/** More are not kept: what is older than all that are kept is invalid then. */
export const MAX_ORDERS = 256

/** The orders as one process knows them. */
export class PurgeOrders {
  #orders: readonly PurgeOrder[] = []
  /** What was asked for before is invalid, since orders of later may have been forgotten. */
  #floor = 0
  #latest = 0

  /** Sequence of the last order. */
  get latest(): number {
    return this.#latest
  }

  add(order: PurgeOrder): void {
    if (this.#orders.some(({ sequence }) => sequence === order.sequence)) return
    this.replace([...this.#orders, order], this.#floor)
  }

  replace(orders: readonly PurgeOrder[], floor: number): void {
    const sorted = [...orders].sort((a, b) => a.sequence - b.sequence)
    const dropped = sorted.slice(0, Math.max(0, sorted.length - MAX_ORDERS))
    this.#orders = sorted.slice(dropped.length)
    this.#floor = Math.max(this.#floor, floor, dropped.at(-1)?.sequence ?? 0)
    this.#latest = Math.max(this.#latest, sorted.at(-1)?.sequence ?? 0, this.#floor)
  }

  isPurged(stored: Stored): boolean {
    return stored.sequence < this.#floor || this.#orders.some(order => isMeant(stored, order))
  }
}

/** One hash for all nodes: sequence → order, and the floor. */
export const ORDERS_KEY = '{sluice:cache}:purges'
/** Longer than anything is stored. */
const KEPT_MS = 8 * 86_400_000

interface OrdersReply {
  readonly orders: readonly PurgeOrder[]
  readonly floor: number
  /** Of the order that was added; 0 when only read. */
  readonly sequence: number
}

function apply(hash: StoredHash, [text]: readonly string[], nowMicros: number): ScriptOutcome<OrdersReply> {
  let floor = Number(hash.get('floor') ?? 0)
  const sequences = () =>
    [...hash.keys()]
      .filter(name => name !== 'floor')
      .map(Number)
      .sort((a, b) => a - b)
  let sequence = 0
  if (text !== undefined && text !== '') {
    sequence = Math.max(Math.floor(nowMicros / 1000), floor + 1, (sequences().at(-1) ?? 0) + 1)
    hash.set(String(sequence), text)
    for (const oldest of sequences().slice(0, -MAX_ORDERS)) {
      hash.delete(String(oldest))
      floor = oldest
      hash.set('floor', floor)
    }
  }
  const orders = sequences().map(each => orderOf(each, String(hash.get(String(each)))))
  return { result: { orders, floor, sequence }, expireInMs: KEPT_MS }
}

const orderOf = (sequence: number, text: string): PurgeOrder => ({ ...(JSON.parse(text) as Purge), sequence })

/** Adds an order (its JSON; none: only reads) and gives all that are kept. */
export const purgesScript: StoreScript<OrdersReply, readonly string[]> = {
  name: 'cache-purges',
  lua: `local floor = tonumber(redis.call('HGET', KEYS[1], 'floor') or '0')
local sequences = {}
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  if name ~= 'floor' then sequences[#sequences + 1] = tonumber(name) end
end
table.sort(sequences)
local sequence = 0
if ARGV[1] and ARGV[1] ~= '' then
  local time = redis.call('TIME')
  sequence = math.max(time[1] * 1000 + math.floor(time[2] / 1000), floor + 1, (sequences[#sequences] or 0) + 1)
  redis.call('HSET', KEYS[1], string.format('%.0f', sequence), ARGV[1])
  sequences[#sequences + 1] = sequence
  while #sequences > ${MAX_ORDERS} do
    floor = table.remove(sequences, 1)
    redis.call('HDEL', KEYS[1], string.format('%.0f', floor))
    redis.call('HSET', KEYS[1], 'floor', string.format('%.0f', floor))
  end
end
if #sequences > 0 or floor > 0 then redis.call('PEXPIRE', KEYS[1], ${KEPT_MS}) end
local reply = {string.format('%.0f', sequence), string.format('%.0f', floor)}
for _, each in ipairs(sequences) do
  local name = string.format('%.0f', each)
  reply[#reply + 1] = name
  reply[#reply + 1] = redis.call('HGET', KEYS[1], name)
end
return reply`,
  apply,
  decode(reply) {
    const [sequence, floor, ...rest] = reply as readonly string[]
    const orders: PurgeOrder[] = []
    for (let at = 0; at + 1 < rest.length; at += 2)
      orders.push(orderOf(Number(rest[at]), rest[at + 1] as string))
    return { orders, floor: Number(floor), sequence: Number(sequence) }
  },
}
