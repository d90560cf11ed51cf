import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { AggregateConfig, PartConfig } from '../../../plugins/aggregate/config.ts'
import { gather } from '../../../plugins/aggregate/gather.ts'
import { answerOf, failed, type PartOutcome, readPart } from '../../../plugins/aggregate/outcome.ts'
import { planParts } from '../../../plugins/aggregate/plan.ts'
import { plugin } from '../../../plugins/aggregate/plugin.ts'
import { fill, parseTemplate, type Template } from '../../../plugins/aggregate/template.ts'
import { SluiceError } from '../../../sdk/sdk.ts'

const part = (name: string, fields: Partial<PartConfig> = {}): PartConfig => ({
  name,
  path: `/${name}`,
  needs: [],
  optional: false,
  timeout_ms: 1_000,
  ...fields,
})
const config = (...parts: PartConfig[]): AggregateConfig => ({ parts, timeout_ms: 2_000, max_bytes: 10_000 })
const template = (path: string) => parseTemplate(path) as Template

/** In which no time passes. */
const TIMELESS = { after: () => () => {} }

describe('the path of a part', () => {
  const target = (path: string, value: unknown) => {
    const filled = fill(template(path), () => value)
    return 'target' in filled ? filled.target : filled.fault
  }

  it('is filled by values, encoded for where they stand', () => {
    assert.equal(target('/users/{query.id}', 'Grüße 1'), '/users/Gr%C3%BC%C3%9Fe%201')
    assert.equal(target('/users/{user.id}/x', 17), '/users/17/x')
    assert.equal(target('/users?by={query.q}&x=1', 'a/b&c=d'), '/users?by=a%2Fb%26c%3Dd&x=1')
    assert.equal(target('/a-{query.id}.json', '..'), '/a-...json')
  })

  for (const value of ['', '.', '..', 'a/b', '\\', 'a%2fb', 'a%2Fb', '%5c', '%2e%2e', 'a\nb', 'a\0'])
    it(`refuses ${JSON.stringify(value)} as a segment`, () => {
      assert.match(target('/users/{query.id}/x', value), /no segment of a path/)
      assert.match(target('/users/{query.id}', value), /no segment of a path/)
    })

  it('refuses what is no value', () => {
    for (const value of [undefined, null, {}, ['a'], '\ud800', 2 ** 53, Number.NaN])
      assert.match(target('/users/{query.id}', value), /query\.id is missing/)
  })

  it('never leaves the segments that the configuration has, whatever a value holds', () => {
    const value = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('..', '/', '%2f', '?', '#', ';', '..;'),
    )
    fc.assert(
      fc.property(
        value,
        fc.constantFrom('/a/{query.x}/b', '/a/{query.x}', '/a/{query.x}?y={query.x}'),
        (x, path) => {
          const filled = fill(template(path), () => x)
          if (!('target' in filled)) return
          const url = new URL(filled.target, 'http://kong')
          assert.equal(url.pathname.split('/').length, path.split('?')[0]?.split('/').length)
          assert.ok(url.pathname.startsWith('/a/') && url.host === 'kong' && url.hash === '')
        },
      ),
      { numRuns: 150 },
    )
  })
})

describe('the configuration of an aggregate', () => {
  const wrong: readonly (readonly [string, AggregateConfig, RegExp])[] = [
    ['two parts of one name', config(part('a'), part('a')), /parts\[1\]\.name: two parts are named a/],
    ['a reserved name', config(part('errors')), /parts\[0\]\.name: errors is reserved/],
    ['the name of the query', config(part('query')), /parts\[0\]\.name: query is reserved/],
    ['the name of the captures', config(part('capture')), /parts\[0\]\.name: capture is reserved/],
    [
      'an argument with a dot in its name',
      config(part('a', { path: '/{query.x.y}' })),
      /parts\[0\]\.path: \{query\.x\.y\} is none of/,
    ],
    ['braces in the wrong order', config(part('a', { path: '/}x{' })), /parts\[0\]\.path: its braces/],
    ['a need that is no part', config(part('a', { needs: ['b'] })), /parts\[0\]\.needs: there is no part b/],
    [
      'a path that needs no part',
      config(part('a', { path: '/{b.id}' })),
      /parts\[0\]\.needs: there is no part b/,
    ],
    ['a part that needs itself', config(part('a', { path: '/{a.id}' })), /parts\[0\]\.needs: a needs itself/],
    [
      'a circle',
      config(part('a', { needs: ['b'] }), part('b', { needs: ['c'] }), part('c', { path: '/{a.id}' })),
      /parts\[0\]\.needs: a needs itself/,
    ],
    ['a brace without its other', config(part('a', { path: '/{query.x' })), /parts\[0\]\.path: its braces/],
    ['a placeholder of nothing', config(part('a', { path: '/{x}' })), /parts\[0\]\.path: \{x\} is none of/],
    ['another host', config(part('a', { path: '//evil/x' })), /parts\[0\]\.path: must be a path/],
    [
      'a fallback that is not JSON',
      config(part('a', { optional: true, fallback: '{' })),
      /fallback: is not JSON/,
    ],
    [
      'a fallback of a required part',
      config(part('a', { fallback: '1' })),
      /parts\[0\]\.fallback: a part that/,
    ],
    ['more time than the whole', config(part('a', { timeout_ms: 2_001 })), /parts\[0\]\.timeout_ms: is more/],
  ]
  for (const [what, given, message] of wrong)
    it(`is refused with the field's name: ${what}`, () => assert.throws(() => planParts(given), message))
})

describe('the answer of an aggregate', () => {
  /** Every outcome that a part can have, with what it means where it is required and where it is optional. */
  const json = { 'content-type': 'application/json; charset=utf-8' }
  const read = (status: number, headers: Record<string, string>, body: string) =>
    readPart({ status, headers, body: Buffer.from(body) }, [], 100)
  const table: readonly (readonly [string, PartOutcome, status: number | 'ok'])[] = [
    ['200 with JSON', read(200, json, '{"a":1}'), 'ok'],
    ['200 with problem JSON', read(200, { 'content-type': 'application/hal+json' }, '[]'), 'ok'],
    ['204', read(204, {}, ''), 'ok'],
    ['200 with HTML', read(200, { 'content-type': 'text/html' }, '<p>'), 502],
    ['200 with broken JSON', read(200, json, '{"a":'), 502],
    ['200 with too much', read(200, json, `"${'x'.repeat(100)}"`), 502],
    ['301', read(301, { location: '/x' }, ''), 502],
    ['401', read(401, { 'www-authenticate': 'Key' }, '{}'), 401],
    ['403', read(403, json, '{}'), 403],
    ['404', read(404, json, '{}'), 404],
    ['429', read(429, { 'retry-after': '3' }, '{}'), 429],
    ['500', read(500, json, '{}'), 500],
    ['503', read(503, { 'retry-after': '1' }, ''), 503],
    ['504', failed(504, 'did not answer in time'), 504],
  ]
  for (const [what, outcome, status] of table)
    it(`is by the table for a part with ${what}`, () => {
      const required = answerOf(planParts(config(part('a'))), new Map([['a', outcome]]))
      assert.equal(required.status, status === 'ok' ? 200 : status)
      const refused = JSON.parse(required.body)
      if (status !== 'ok') assert.deepEqual([refused.part, refused.status], ['a', status])
      const parts = planParts(config(part('a', { optional: true, fallback: '{"none":true}' }), part('b')))
      const optional = answerOf(
        parts,
        new Map([
          ['a', outcome],
          ['b', { kind: 'ok', value: 1, json: '1' }],
        ]),
      )
      assert.equal(optional.status, 200)
      const whole = JSON.parse(optional.body)
      assert.equal(whole.b, 1)
      const errors = whole.errors as readonly { part: string; status: number }[]
      if (status === 'ok') assert.deepEqual(errors, [])
      else {
        assert.deepEqual(whole.a, { none: true })
        assert.deepEqual(
          errors.map(one => [one.part, one.status]),
          [['a', status]],
        )
      }
    })

  it('passes on when to come again, and what to authenticate by', () => {
    const of = (status: number, headers: Record<string, string>) =>
      answerOf(planParts(config(part('a'))), new Map([['a', read(status, headers, '')]])).headers
    assert.deepEqual(of(429, { 'retry-after': '3' }), { 'Retry-After': '3' })
    assert.deepEqual(of(401, { 'www-authenticate': 'Key' }), { 'WWW-Authenticate': 'Key' })
    assert.deepEqual(of(403, { 'www-authenticate': 'Key' }), {})
  })

  it('has null for an optional part that failed without a fallback', () => {
    const parts = planParts(config(part('a', { optional: true })))
    const { a } = JSON.parse(answerOf(parts, new Map([['a', failed(500, 'x')]])).body)
    assert.equal(a, null)
  })

  it('passes on when to come again for a part that another one needs', async () => {
    const given = config(part('a', { optional: true }), part('b', { needs: ['a'] }))
    const outcomes = await gather({
      parts: planParts(given),
      ofRequest: () => undefined,
      call: async () => ({ status: 429, headers: { 'retry-after': '3' }, body: Buffer.from('') }),
      ...{ now: () => 0, timers: TIMELESS, timeoutMs: 1_000, maxBytes: 1_000 },
    })
    assert.deepEqual(answerOf(planParts(given), outcomes).headers, { 'Retry-After': '3' })
  })

  it('is that of the first required part that failed, whatever failed before it in time', () => {
    const parts = planParts(config(part('a'), part('b', { optional: true }), part('c')))
    const outcomes = new Map([
      ['c', failed(404, 'x')],
      ['b', failed(500, 'x')],
      ['a', failed(403, 'x')],
    ])
    assert.equal(JSON.parse(answerOf(parts, outcomes).body).part, 'a')
  })
})

describe('an answer of a service', () => {
  const headers = { 'content-type': 'application/json' }
  const whole = (text: string, pick: readonly string[] = []) => {
    const outcome = readPart({ status: 200, headers, body: Buffer.from(text) }, pick, 10_000_000)
    return answerOf(planParts(config(part('a'))), new Map([['a', outcome]]))
  }

  it('stands in the whole as the service wrote it', () => {
    const text = '{"id":9007199254740993,"price":1.10,"__proto__":{"x":1},"constructor":null}'
    assert.equal(whole(text).body, `{"a":${text},"errors":[]}`)
  })

  it('has no field but its own', () => {
    for (const name of ['constructor', 'toString', '__proto__', 'length'])
      assert.equal(whole('{"a":1}', [name]).body, '{"a":null,"errors":[]}')
    assert.equal(whole('{"a":"text"}', ['a', 'length']).body, '{"a":null,"errors":[]}')
  })

  it('is picked from by names with dots between', () => {
    const [planned] = planParts(config(part('a', { pick: 'data.items' })))
    assert.equal(whole('{"data":{"items":[1]},"data.items":2}', planned?.pick).body, '{"a":[1],"errors":[]}')
  })

  it('loses the space around it', () => {
    assert.equal(whole('\n {"a": 1}\r\n').body, '{"a":{"a": 1},"errors":[]}')
  })

  it('cannot leave its place, nor break this process by its depth', () => {
    for (const text of ['1,"errors":[1]', '{}}', '{"a":1}\n{"b":2}', '\ufeff{}', ''.padEnd(9, ' ')])
      assert.equal(whole(text).status, 502, text)
    const deep = '['.repeat(400_000) + ']'.repeat(400_000)
    assert.ok([200, 502].includes(whole(deep).status))
    assert.ok([200, 502].includes(whole(`{"x":${deep}}`, ['x']).status))
  })
})

describe('the parts of an aggregate', () => {
  const ok = (value: unknown) => ({
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(value)),
  })
  const ask = (
    given: AggregateConfig,
    call: (target: string, timeoutMs: number) => Promise<ReturnType<typeof ok>>,
  ) =>
    gather({
      parts: planParts(given),
      ofRequest: ({ name }) => name,
      call,
      now: () => 0,
      timers: TIMELESS,
      timeoutMs: given.timeout_ms,
      maxBytes: given.max_bytes,
    })

  it('are asked for side by side, and those that need others behind them', async () => {
    const asked: string[] = []
    const release = new Map<string, () => void>()
    const done = ask(
      config(part('c', { path: '/c/{a.id}/{b.x.y}' }), part('a'), part('b'), part('d', { needs: ['c'] })),
      target =>
        new Promise(resolve => {
          asked.push(target)
          release.set(target, () => resolve(ok({ id: 1, x: { y: 'z' } })))
        }),
    )
    const settle = () => new Promise(resolve => setImmediate(resolve))
    await settle()
    assert.deepEqual(asked, ['/a', '/b'])
    release.get('/b')?.()
    await settle()
    assert.equal(asked.length, 2)
    release.get('/a')?.()
    await settle()
    assert.deepEqual(asked.slice(2), ['/c/1/z'])
    release.get('/c/1/z')?.()
    await settle()
    release.get('/d')?.()
    assert.deepEqual(
      [...(await done).values()].map(({ kind }) => kind),
      ['ok', 'ok', 'ok', 'ok'],
    )
  })

  it('fail where a part that they need has failed, with its status', async () => {
    const outcomes = await ask(
      config(part('a', { optional: true }), part('b', { needs: ['a'] })),
      async () => ({
        ...ok(1),
        status: 404,
      }),
    )
    assert.deepEqual(outcomes.get('b'), failed(404, 'needs a, which was refused with 404'))
  })

  it('are refused where the request lacks what they ask for: 400; where a part does: 502', async () => {
    const given = config(part('a', { path: '/{query.x}' }), part('b', { path: '/{c.nothing}' }), part('c'))
    const outcomes = await gather({
      parts: planParts(given),
      ofRequest: () => undefined,
      call: async () => ok({}),
      now: () => 0,
      timers: TIMELESS,
      timeoutMs: 1_000,
      maxBytes: 1_000,
    })
    const statusOf = (name: string) => (outcomes.get(name) as { status?: number }).status
    assert.deepEqual([statusOf('a'), statusOf('b'), statusOf('c')], [400, 502, undefined])
  })

  it('share the bytes that all may have', async () => {
    const outcomes = await ask(
      { ...config(part('a'), part('b', { needs: ['a'] })), max_bytes: 1_024 },
      async () => ok('x'.repeat(600)),
    )
    assert.deepEqual([outcomes.get('a')?.kind, outcomes.get('b')?.kind], ['ok', 'failed'])
  })

  it('get no more time than is left for all', async () => {
    let now = 0
    const given = config(part('a'), part('b', { needs: ['a'] }), part('c', { needs: ['b'] }))
    const times: number[] = []
    const outcomes = await gather({
      parts: planParts(given),
      ofRequest: () => undefined,
      call: async (_, timeoutMs) => {
        times.push(timeoutMs)
        now += 1_200.5
        return ok(1)
      },
      now: () => now,
      timers: TIMELESS,
      timeoutMs: 2_000,
      maxBytes: 1_000,
    })
    assert.deepEqual(times, [1_000, 800])
    assert.equal((outcomes.get('c') as { status?: number }).status, 504)
  })

  it('keep no timer behind their answers', async () => {
    let held = 0
    const after = () => {
      held++
      return () => {
        held--
      }
    }
    const parts = planParts(config(part('a'), part('b')))
    const answers = [async () => ok(1), () => Promise.reject(new Error('x'))]
    await gather({
      ...{
        parts,
        ofRequest: () => undefined,
        now: () => 0,
        timers: { after },
        timeoutMs: 1_000,
        maxBytes: 99,
      },
      call: target => (target === '/a' ? answers[0] : answers[1])?.() ?? assert.fail(),
    })
    assert.equal(held, 0)
  })

  it('say that they are too large where the call for them was cut off for it', async () => {
    const large = new SluiceError('SLUICE_FETCH_FAILED', 'maxResponseSize is exceeded')
    const outcomes = await ask(config(part('a')), () => Promise.reject(large))
    assert.deepEqual(outcomes.get('a'), failed(502, 'is too large'))
  })

  it('are 504 when their time is over, though Kong has not even said what the call needs', async () => {
    const due: (() => void)[] = []
    const outcomes = gather({
      parts: planParts(config(part('a'))),
      ofRequest: () => undefined,
      call: () => new Promise(() => {}),
      now: () => 0,
      timers: {
        after(ms, run) {
          assert.equal(ms, 1_000)
          due.push(run)
          return () => {}
        },
      },
      timeoutMs: 2_000,
      maxBytes: 1_000,
    })
    due[0]?.()
    assert.deepEqual((await outcomes).get('a'), failed(504, 'did not answer in time'))
  })

  it('are 504 when they are late, and 502 when nobody answers', async () => {
    const by = async (error: Error) => {
      const outcomes = await ask(config(part('a')), () => Promise.reject(error))
      return (outcomes.get('a') as { status?: number }).status
    }
    assert.equal(await by(new SluiceError('SLUICE_FETCH_TIMEOUT', 'x')), 504)
    assert.equal(await by(new SluiceError('SLUICE_FETCH_FAILED', 'x')), 502)
    await assert.rejects(by(new SluiceError('SLUICE_LOOPBACK_REFUSED', 'x')), /x/)
  })
})

describe('the events of an aggregate', () => {
  const published: { subject?: string; data: Record<string, unknown> }[] = []
  const plugged = () => {
    published.length = 0
    const metrics = { counter: () => METER, histogram: () => METER }
    const host = {
      ...{ settings: {}, clock: { monotonic: () => 0 }, metrics },
      events: { publish: async (event: (typeof published)[number]) => published.push(event) },
    }
    return plugin.memory?.(host as never)
  }
  const METER = { with: () => ({ add() {}, observe() {} }) }
  /** One request whose only part is answered with the status. */
  const answer = async (memory: unknown, status: number, pluginId = 'p1') => {
    const kong = {
      request: { getMethod: async () => 'GET' },
      loopbackOrigin: async () => undefined,
      loopback: async () => ({ status, headers: {}, body: new Uint8Array(0) }),
      response: { exit() {} },
    }
    const given = config(part('a'))
    const context = { config: given, memory, scope: { pluginId }, instance: { parts: planParts(given) } }
    await plugin.phases.access?.(kong as never, context as never)
  }
  const told = () => published.map(({ data }) => [data.entry, data.degraded, data.status])

  it('tell once that a part fails, and once that it is there again; a refusal says nothing about it', async () => {
    const memory = plugged()
    for (const status of [200, 404, 429, 500, 503, 404, 200, 204, 401]) await answer(memory, status)
    assert.deepEqual(told(), [
      ['p1', true, 500],
      ['p1', false, 200],
    ])
    assert.deepEqual([...new Set(published.map(({ subject }) => subject))], ['aggregate/p1/a'])
  })

  it('tell of each entry of the plugin by itself', async () => {
    const memory = plugged()
    await answer(memory, 502, 'p1')
    await answer(memory, 502, 'p2')
    await answer(memory, 200, 'p2')
    assert.deepEqual(told(), [
      ['p1', true, 502],
      ['p2', true, 502],
      ['p2', false, 200],
    ])
  })
})
