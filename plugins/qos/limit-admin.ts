/** What operators do with the limits of a subject: look, reset, change for a while. */
import { type ScriptList, SluiceError, type Store, type StoreScript } from '../../sdk/sdk.ts'
import { formatOverrides, type Override, parseOverrides } from './limit-set.ts'

/** Operators announce here that a subject was changed; the message is a `Change` in JSON. */
export const CHANGES_CHANNEL = 'sluice:qos:changed'
const KEY_PREFIX = '{sluice:qos:'
/** The longest time for which a limit can be changed. */
export const MAX_CHANGE_MS = 30 * 86_400_000

export interface Change {
  readonly key: string
  readonly action: 'reset' | 'set' | 'unset'
  /** Name of the limit; all of them where it is left out. */
  readonly limit?: string | undefined
  readonly requests?: number
  readonly burst?: number
  readonly lastsMs?: number
  readonly actor: string
  readonly reason: string
}

/** A change as the nodes hear it. */
export interface AnnouncedChange extends Change {
  readonly atMs: number
}

/** The hash of a subject, as it lies in the store. */
export interface SubjectState {
  readonly nowMicros: number
  /** Undefined where there is no such subject. */
  readonly expireInMs: number | undefined
  readonly fields: ReadonlyMap<string, string>
}

type Operation =
  | { readonly operation: 'show' }
  | { readonly operation: 'reset'; readonly limit: string }
  | {
      readonly operation: 'set' | 'unset'
      readonly limit: string
      readonly requests: number
      readonly burst: number
      readonly lastsMicros: number
    }

const adminScript: StoreScript<SubjectState, Operation> = {
  name: 'qos-limit-admin',
  lua: `
    local key, operation, limit = KEYS[1], ARGV[1], ARGV[2]
    local time = redis.call('TIME')
    local now = time[1] * 1000000 + time[2]
    local lives = redis.call('PTTL', key)
    if operation == 'reset' and lives > 0 then
      for _, field in ipairs(redis.call('HKEYS', key)) do
        local name = string.sub(field, 3)
        if field ~= 'b' and field ~= 'o' and (limit == '' or name == limit) then redis.call('HDEL', key, field) end
      end
      redis.call('HSET', key, 'b', string.format('r%.0f', now))
    elseif operation == 'set' or (operation == 'unset' and lives > 0) then
      local kept = ''
      for field, rest, ends in string.gmatch(redis.call('HGET', key, 'o') or '', '(%S+) (%d+ %d+ (%d+);)') do
        if string.sub(field, 3) ~= limit and tonumber(ends) > now then kept = kept .. field .. ' ' .. rest end
      end
      if operation == 'set' then
        local ends = now + ARGV[5]
        for _, kind in ipairs({'g', 's', 'c'}) do
          kept = kept .. string.format('%s:%s %s %s %.0f;', kind, limit, ARGV[3], ARGV[4], ends)
        end
        lives = math.max(lives, math.ceil(ARGV[5] / 1000) + 1000)
      end
      if kept == '' then redis.call('HDEL', key, 'o') else redis.call('HSET', key, 'o', kept) end
      redis.call('PEXPIRE', key, lives)
    end
    local answer = redis.call('HGETALL', key)
    table.insert(answer, 1, string.format('%.0f', now))
    table.insert(answer, 2, redis.call('PTTL', key))
    return answer
  `,

  encode(args) {
    if (args.operation === 'show') return ['show', '', 0, 0, 0]
    if (args.operation === 'reset') return ['reset', args.limit, 0, 0, 0]
    return [args.operation, args.limit, args.requests, args.burst, args.lastsMicros]
  },

  apply(hash, args, now) {
    const isKnown = hash.size > 0
    if (args.operation === 'reset' && isKnown) {
      for (const field of [...hash.keys()])
        if (field.length > 1 && (args.limit === '' || field.slice(2) === args.limit)) hash.delete(field)
      hash.set('b', `r${now}`)
    } else if (args.operation === 'set' || (args.operation === 'unset' && isKnown)) {
      const kept: Override[] = parseOverrides(String(hash.get('o') ?? '')).filter(
        ({ field, untilMicros }) => field.slice(2) !== args.limit && untilMicros > now,
      )
      if (args.operation === 'set') {
        const { limit, requests, burst, lastsMicros } = args
        for (const kind of ['g', 's', 'c'])
          kept.push({ field: `${kind}:${limit}`, requests, burst, untilMicros: now + lastsMicros })
      }
      if (kept.length === 0) hash.delete('o')
      else hash.set('o', formatOverrides(kept))
    }
    // Memory does not tell when a key ends; one that an operator has touched stays for a while.
    const expireInMs = hash.size === 0 ? 0 : MAX_CHANGE_MS
    const fields = new Map([...hash].map(([field, value]) => [field, String(value)]))
    return {
      result: { nowMicros: now, expireInMs: hash.size === 0 ? undefined : expireInMs, fields },
      expireInMs,
    }
  },

  decode(reply: ScriptList): SubjectState {
    const [now, lives, ...list] = reply
    const fields = new Map<string, string>()
    for (let i = 0; i < list.length; i += 2) fields.set(String(list[i]), String(list[i + 1]))
    return { nowMicros: Number(now), expireInMs: Number(lives) < 0 ? undefined : Number(lives), fields }
  },
}

/**
 * Walks over all that is counted: the keys of a subject, such as `consumer:4f…`, alone or together with others, and
 * the scopes in which anything is counted.
 */
export async function findSubjects(
  store: Store,
  subject: string,
): Promise<{ keys: readonly string[]; scopes: readonly string[] }> {
  const keys: string[] = []
  const scopes = new Set<string>()
  for await (const key of store.keys(KEY_PREFIX)) {
    const parts = partsOf(key)
    if (!parts) continue
    scopes.add(parts.scope)
    if (parts.subject === subject || parts.subject.split(',').includes(subject)) keys.push(key)
  }
  return { keys: keys.sort(), scopes: [...scopes].sort() }
}

export const keyOf = (scope: string, subject: string): string => `${KEY_PREFIX}${scope}:${subject}}`

/** Splits `{sluice:qos:<scope>:<subject>}`; undefined for what is no subject, such as the list of nodes. */
export function partsOf(key: string): { scope: string; subject: string } | undefined {
  const match = /^\{sluice:qos:([^:]+):(.+)\}$/.exec(key)
  return match ? { scope: match[1]!, subject: match[2]! } : undefined
}

export async function showSubject(store: Store, key: string): Promise<SubjectState> {
  return store.run(adminScript, key, { operation: 'show' })
}

/**
 * Resets or changes the limits of a subject, and tells every node, which forget what they remember and publish
 * `qos.limits-changed.v1`. What was used stays used under a changed limit.
 */
export async function changeSubject(store: Store, change: Change, nowMs: number): Promise<SubjectState> {
  const { key, action, limit = '', requests = 0, burst = requests, lastsMs = 0 } = change
  if (action === 'set' && (requests < 1 || burst < 1 || lastsMs <= 0 || lastsMs > MAX_CHANGE_MS))
    throw new SluiceError(
      'SLUICE_CLI_USAGE',
      'a limit is changed to at least 1 request, for 30 days at the most',
    )
  const state = await store.run(
    adminScript,
    key,
    action === 'reset'
      ? { operation: 'reset', limit }
      : { operation: action, limit, requests, burst, lastsMicros: lastsMs * 1000 },
  )
  await store.publish(CHANGES_CHANNEL, JSON.stringify({ ...change, atMs: nowMs } satisfies AnnouncedChange))
  return state
}

/** Reads what an operator announced; undefined for anything else that comes over the channel. */
export function parseChange(message: string): AnnouncedChange | undefined {
  try {
    const change = JSON.parse(message) as AnnouncedChange
    const isWhole =
      typeof change.key === 'string' &&
      typeof change.atMs === 'number' &&
      typeof change.actor === 'string' &&
      typeof change.reason === 'string' &&
      ['reset', 'set', 'unset'].includes(change.action)
    return isWhole ? change : undefined
  } catch {
    return undefined
  }
}
