import assert from 'node:assert/strict'
import type { Settings } from '../../../plugins/response-cache/config.ts'
import type { Entry } from '../../../plugins/response-cache/entry.ts'
import { tagsOf } from '../../../plugins/response-cache/fields.ts'
import { Filler } from '../../../plugins/response-cache/filler.ts'
import { Lookup } from '../../../plugins/response-cache/lookup.ts'
import { parseRequestLine } from '../../../plugins/response-cache/request.ts'
import type { LoopbackRequest } from '../../../sdk/sdk.ts'
import { partial } from '../../support/partial.ts'
import { type AskFields, answerTo, askFor, type Node, SharedNodes } from './shared-nodes.ts'

interface Answer {
  readonly status: number
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

/** What Kong was told about a request that goes on. */
interface Onward {
  readonly isMarked: boolean
  readonly encoding: string | undefined
  readonly isBuffered: boolean
}

class Exit extends Error {
  readonly answer: Answer
  constructor(status: number, body: unknown, headers: object) {
    super('exit')
    this.answer = { status, body: String(body), headers: { ...headers } }
  }
}

describe('a request that may be answered from the cache', () => {
  let nodes: SharedNodes
  let node: Node
  let filler: Filler
  let calls: LoopbackRequest[]
  let status: number
  beforeEach(() => {
    nodes = new SharedNodes()
    node = nodes.add()
    filler = new Filler(node.cache)
    calls = []
    status = 503
  })
  afterEach(() => nodes.close())

  interface Given extends AskFields {
    readonly path?: string
    readonly method?: string
    readonly stream?: boolean
    readonly canLoopback?: boolean
  }

  async function ask(given: Given = {}): Promise<Answer | Onward> {
    const { method = 'GET', path = '/a', stream = true, canLoopback = true } = given
    const line = parseRequestLine(`${method} ${path} HTTP/1.1`)
    assert.ok(line)
    let onward: Onward = { isMarked: false, encoding: undefined, isBuffered: true }
    const exit = (code: number, body: unknown, headers: object) => {
      throw new Exit(code, body, headers)
    }
    const kong = {
      response: { exit, json: exit },
      nginx: {
        setCtx(name: string, value: unknown) {
          assert.equal(name, 'buffered_proxying')
          onward = { ...onward, isBuffered: value === true }
        },
      },
      ctx: {
        shared: {
          set() {
            onward = { ...onward, isMarked: true }
          },
        },
      },
      service: {
        request: {
          setHeader(name: string, encoding: string) {
            assert.equal(name, 'accept-encoding')
            onward = { ...onward, encoding }
          },
        },
      },
      client: { getForwardedIp: async () => '192.0.2.1' },
      loopbackOrigin: async () => undefined,
      async loopback(request: LoopbackRequest) {
        calls.push(request)
        return { status, headers: {}, body: new Uint8Array(0) }
      },
    }
    const memory = { cache: node.cache, filler, canLoopback }
    const settings = { fillTimeoutMs: 5_000, followClientMs: 500, uncacheableMs: 10_000, stream }
    const parts = { asked: askFor(path, given), line, scheme: 'https', encoding: 'gzip' } as const
    try {
      await new Lookup(kong as never, memory, partial<Settings>(settings), parts).answer()
    } catch (error) {
      if (error instanceof Exit) return error.answer
      throw error
    }
    return onward
  }
  const cacheStatus = (one: Answer | Onward) => ('headers' in one ? one.headers['cache-status'] : undefined)
  const PASSED: Onward = { isMarked: false, encoding: undefined, isBuffered: false }
  const MARKED: Onward = { isMarked: true, encoding: 'gzip', isBuffered: true }
  const put = (fields: Partial<Entry> = {}) => {
    const asked = askFor('/a')
    node.cache.put(asked.names.primary, answerTo(asked, node.cache.nowMs, fields))
  }
  /** Good while it is fetched anew, or when the service fails. */
  const stale = (windows: object, fields: Partial<Entry> = {}) => {
    put({
      lifetime: { freshMs: 10_000, whileRevalidateMs: 0, ifErrorMs: 0, ...windows },
      ...{ bornMs: node.cache.nowMs - 20_000, headers: { etag: '"1"' } },
      ...fields,
    })
  }

  it('is told its age, which is never less than nothing', async () => {
    put({ bornMs: node.cache.nowMs - 5_999 })
    const aged = await ask()
    assert.ok('status' in aged)
    assert.deepEqual([aged.status, aged.headers.age], [200, '5'])
    // Two processes may not agree on the millisecond.
    put({ bornMs: node.cache.nowMs + 500 })
    const early = await ask()
    assert.ok('status' in early)
    assert.equal(early.headers.age, '0')
  })

  it('is not told that it has an answer that was no success', async () => {
    for (const [stored, expected] of [
      [200, 304],
      [404, 404],
      [301, 301],
    ] as const) {
      put({ status: stored, headers: { etag: '"1"', 'content-type': 'a/b' } })
      const answer = await ask({ headers: { 'if-none-match': '"1"' } })
      assert.ok('status' in answer)
      assert.equal(answer.status, expected)
      assert.equal(answer.headers['content-type'], expected === 304 ? undefined : 'a/b')
    }
  })

  it('gets a stale answer that is fetched anew, once, by a call that the limits do not count', async () => {
    stale({ whileRevalidateMs: 60_000 })
    const answers = [await ask(), await ask()]
    for (const one of answers) assert.match(String(cacheStatus(one)), /detail=stale-while-revalidate/)
    await nodes.timers.advance(0)
    assert.equal(calls.length, 1)
    const [{ purpose, headers } = assert.fail()] = calls
    assert.deepEqual(
      [purpose, headers?.['if-none-match'], headers?.['accept-encoding'], headers?.['x-forwarded-proto']],
      ['refresh', '"1"', 'gzip', 'https'],
    )
  })

  it('gets a stale answer, and nothing is fetched, where there is no way to the proxy', async () => {
    stale({ whileRevalidateMs: 60_000 })
    assert.match(String(cacheStatus(await ask({ canLoopback: false }))), /detail=stale-while-revalidate/)
    await nodes.timers.advance(0)
    assert.equal(calls.length, 0)
  })

  it('gets the stale answer without asking for a second after a failure, unless it wants a newer one', async () => {
    stale({ ifErrorMs: 60_000 })
    const isStale = async (given: Given = {}) =>
      /detail=stale-if-error/.test(String(cacheStatus(await ask(given))))
    assert.ok(await isStale())
    assert.equal(calls.length, 1)
    nodes.clock.advance(999)
    assert.ok(await isStale())
    assert.equal(calls.length, 1)
    assert.ok(await isStale({ control: 'no-cache' }))
    assert.equal(calls.length, 2)
    nodes.clock.advance(1_000)
    assert.ok(await isStale())
    assert.equal(calls.length, 3)
  })

  it('is told of once a minute where its answer is stale, without its query', async () => {
    const asked = askFor('/a?key=secret')
    const windows = { freshMs: 0, whileRevalidateMs: 0, ifErrorMs: 3_600_000 }
    node.cache.put(asked.names.primary, answerTo(asked, node.cache.nowMs - 5_000, { lifetime: windows }))
    const told = async () => {
      await ask({ path: '/a?key=secret' })
      return node.events.map(({ type, subject, data }) => [type, subject, data])
    }
    const event = ['cache.stale-served.v1', 'shop', { host: 'shop', path: '/a', age_ms: 5_000 }]
    assert.deepEqual(await told(), [event])
    nodes.clock.advance(59_999)
    assert.deepEqual(await told(), [event])
    nodes.clock.advance(1)
    assert.equal((await told()).length, 2)
  })

  it('gets 504 where it wants a stored answer only, and there is none that is fresh enough', async () => {
    const onlyStored = { control: 'only-if-cached' }
    const statusOf = async (given: Given) => {
      const one = await ask(given)
      return 'status' in one ? one.status : 'on'
    }
    assert.equal(await statusOf(onlyStored), 504)
    assert.equal(await statusOf({ ...onlyStored, method: 'HEAD' }), 504)
    stale({ ifErrorMs: 60_000 })
    assert.equal(await statusOf(onlyStored), 504)
    stale({ whileRevalidateMs: 60_000 })
    assert.equal(await statusOf(onlyStored), 200)
    put()
    assert.equal(await statusOf(onlyStored), 200)
    const { primary } = askFor('/a').names
    node.cache.memory.clear()
    node.cache.rememberUncacheable(primary, 1_000)
    assert.equal(await statusOf(onlyStored), 504)
  })

  it('is asked of the service where nothing is stored, for all who may come', async () => {
    assert.deepEqual(await ask(), MARKED)
  })

  it('goes on as it came, and may stream, where its answer could not be stored of late', async () => {
    node.cache.rememberUncacheable(askFor('/a').names.primary, 1_000)
    assert.deepEqual(await ask(), PASSED)
    // Another plugin has to see the answer.
    assert.deepEqual(await ask({ stream: false }), { ...PASSED, isBuffered: true })
    nodes.clock.advance(1_000)
    assert.deepEqual(await ask(), MARKED)
  })

  it('is answered to HEAD with what another node has, and fetches nothing for it', async () => {
    assert.deepEqual(await ask({ method: 'HEAD' }), PASSED)
    const other = nodes.add()
    const asked = askFor('/a')
    const { names } = asked
    await other.cache.shared?.putAnswer(names.primary, answerTo(asked, 0), Buffer.from('body'), 0)
    assert.match(String(cacheStatus(await ask({ method: 'HEAD' }))), /hit/)
    assert.equal(calls.length, 0)
  })

  it('gets no answer that is too old for anything', async () => {
    stale({})
    assert.deepEqual(await ask(), MARKED)
    assert.equal(calls.length, 0)
  })
})

describe('the tags of an answer', () => {
  it('are parted by spaces or commas, each once, and at most 128', () => {
    assert.deepEqual(tagsOf({ 'surrogate-key': ' a b,  c,a ' }), ['a', 'b', 'c'])
    assert.deepEqual(tagsOf({ 'surrogate-key': ['a', 'b c'] }), ['a', 'b', 'c'])
    const many = Array.from({ length: 200 }, (_, n) => `t${n}`)
    assert.deepEqual(tagsOf({ 'surrogate-key': many.join(' ') }), many.slice(0, 128))
  })
})
