import { createLogger } from '../../../foundation/log.ts'
import { createMetrics } from '../../../foundation/metrics.ts'
import { MemoryStore } from '../../../plugin-server/stores/memory.ts'
import { type Asked, ResponseCache } from '../../../plugins/response-cache/cache.ts'
import { parseCacheControl } from '../../../plugins/response-cache/directives.ts'
import type { Entry } from '../../../plugins/response-cache/entry.ts'
import { createKeyRules, Names } from '../../../plugins/response-cache/key.ts'
import { parseRequestLine } from '../../../plugins/response-cache/request.ts'
import type { EventDraft, Store } from '../../../sdk/sdk.ts'
import { type HeldTimers, holdTimers } from '../../support/held-timers.ts'
import { createTestClock, type TestClock } from '../../support/test-clock.ts'

/** One node's way to a store that several share: it looks like Redis, and the test interrupts it. */
export interface NodeStore extends Store {
  /** Calls fail. */
  isAway: boolean
  /** Calls reach it, and their answers come too late. */
  isLate: boolean
  /** A connection that has broken silently: no message arrives, and nobody says so. */
  isDeaf: boolean
  /** Says whether messages arrive from now on. */
  listen(isListening: boolean): void
  /** A message arrives, whoever sent it. */
  deliver(message: string): void
}

export interface Node {
  readonly cache: ResponseCache
  readonly store: NodeStore
  readonly warnings: string[]
  readonly events: EventDraft[]
  metrics(): Promise<string>
}

/** The processes of several nodes, whose time the test moves. */
export class SharedNodes {
  readonly clock: TestClock = createTestClock()
  readonly timers: HeldTimers = holdTimers()
  readonly memory = new MemoryStore({ clock: this.clock, metrics: createMetrics() })
  readonly #nodes: Node[] = []

  /** @param isListening whether it is subscribed already. */
  add(isListening = true): Node {
    const metrics = createMetrics()
    const store = linkTo(this.memory)
    const warnings: string[] = []
    const events: EventDraft[] = []
    const publish = async (event: EventDraft) => {
      events.push(event)
    }
    const log = Object.assign(Object.create(createLogger('silent')), {
      warn: (_: object, text: string) => warnings.push(text),
    })
    const host = {
      ...{ clock: this.clock, metrics, log, store },
      ...{ events: { publish }, node: `n${this.#nodes.length}`, random: () => 0 },
    }
    const cache = new ResponseCache(host as never, this.timers, 1_000_000)
    const node = { cache, store, warnings, events, metrics: () => metrics.text() }
    this.#nodes.push(node)
    if (isListening) store.listen(true)
    return node
  }

  /** In steps, so that what is due in between sees its own time. */
  async advance(ms: number, stepMs = 500): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.clock.advance(Math.min(left, stepMs))
      await this.timers.advance(Math.min(left, stepMs))
    }
  }

  async close(): Promise<void> {
    for (const { cache } of this.#nodes) await cache.close()
    await this.memory.close()
  }
}

function linkTo(shared: MemoryStore): NodeStore {
  let hear: (message: string) => void = () => {}
  let listen: (isListening: boolean) => void = () => {}
  const check = () => {
    if (store.isAway) throw new Error('away')
  }
  const store: NodeStore = {
    kind: 'redis',
    isAway: false,
    isLate: false,
    isDeaf: false,
    listen: isListening => listen(isListening),
    deliver: message => hear(message),
    get patient() {
      return this
    },
    peers: shared.peers,
    get available() {
      return !store.isAway
    },
    canReach: () => !store.isAway,
    async run(script, key, args, onLate) {
      check()
      const result = shared.run(script, key, args)
      if (!store.isLate) return result
      onLate?.(Promise.resolve(result))
      throw new Error('late')
    },
    async readBytes(keys) {
      check()
      if (store.isLate) throw new Error('late')
      return shared.readBytes(keys)
    },
    async writeBytes(key, bytes, expireInMs) {
      check()
      await shared.writeBytes(key, bytes, expireInMs)
    },
    async publish(channel, message) {
      check()
      await shared.publish(channel, message)
    },
    watch(channel, take, onListening = () => {}) {
      hear = take
      listen = onListening
      return shared.watch(channel, message => !store.isDeaf && take(message))
    },
    onAvailability: () => () => {},
    ready: async () => !store.isAway,
    keys: prefix => shared.keys(prefix),
    async close() {},
  }
  return store
}

const RULES = createKeyRules({ isShared: true, keyNames: [], varyHeaders: [] })

export interface AskFields {
  readonly control?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** A GET that may be answered from the cache. */
export function askFor(path: string, { control, headers = {} }: AskFields = {}): Asked {
  const line = parseRequestLine(`GET ${path} HTTP/1.1`)
  if (!line) throw new Error(path)
  const fields = { host: 'shop', ...headers }
  const keyed = { line, headers: fields, scheme: 'http', route: 'r', consumer: undefined } as const
  return {
    names: new Names({ ...keyed, encoding: 'identity' }, RULES),
    headers: fields,
    directives: parseCacheControl(control),
  }
}

/** An answer to it that is good for 60 s, and for another 60 s while the service fails. */
export function answerTo({ names }: Asked, nowMs: number, fields: Partial<Entry> = {}): Entry {
  return {
    ...{ primary: names.primary, path: names.path, host: names.host, target: names.target },
    ...{ tags: [], status: 200, headers: {}, generation: '', token: 't', sequence: 0 },
    lifetime: { freshMs: 60_000, whileRevalidateMs: 0, ifErrorMs: 60_000 },
    ...{ body: Buffer.from('body'), bornMs: nowMs },
    ...fields,
  }
}
