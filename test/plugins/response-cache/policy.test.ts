import assert from 'node:assert/strict'
import fc from 'fast-check'
import CachePolicyOracle from 'http-cache-semantics'
import { parseCacheControl, seconds } from '../../../plugins/response-cache/directives.ts'
import { reduceEncoding } from '../../../plugins/response-cache/encoding.ts'
import { type CachePolicy, initialAgeMs, judge, usable } from '../../../plugins/response-cache/policy.ts'

/** More of them by hand. */
const RUNS = Number(process.env.SLUICE_TEST_CACHE_RUNS ?? 3000)
const NOW = Date.UTC(2026, 2, 1, 12)
const POLICY: CachePolicy = {
  isShared: false,
  defaultTtl: 0,
  maxTtl: 1_000_000_000,
  staleWhileRevalidate: 0,
  staleIfError: 0,
}

const number = fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 101, max: 1_000_000 }))
const laterSeconds = fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 1_000_000 }))
const withNumber = (name: string) => number.map(value => `${name}=${value}`)
const responseDirective = fc.oneof(
  { weight: 8, arbitrary: withNumber('max-age') },
  { weight: 5, arbitrary: withNumber('s-maxage') },
  { weight: 3, arbitrary: withNumber('stale-while-revalidate') },
  { weight: 2, arbitrary: withNumber('stale-if-error') },
  { weight: 4, arbitrary: fc.constantFrom('public', 'no-transform', 'immutable', 'x-own="a b"') },
  fc.constantFrom('private', 'no-cache', 'no-store'),
)
const requestDirective = fc.oneof(
  withNumber('max-age'),
  withNumber('min-fresh'),
  fc.constantFrom('no-cache', 'no-transform'),
)
/** Each once: the oracle takes the last of two, RFC 9111 leaves it open. */
const controlOf = (directive: fc.Arbitrary<string>) =>
  fc
    .uniqueArray(directive, {
      minLength: 1,
      maxLength: 5,
      size: 'max',
      selector: text => text.split('=', 1)[0],
    })
    .map(list => list.join(', '))
const date = (offset: number) => new Date(NOW + offset * 1000).toUTCString()
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 })

const responseHeaders = fc
  .record({
    'cache-control': fc.option(controlOf(responseDirective), { nil: undefined, freq: 6 }),
    pragma: maybe(fc.constantFrom('no-cache', 'other')),
    expires: maybe(fc.oneof(fc.integer({ min: -100, max: 10_000 }).map(date), fc.constant('0'))),
    age: maybe(fc.integer({ min: 0, max: 200 }).map(String)),
    vary: maybe(fc.constantFrom('*', 'accept', 'accept-language, accept', 'accept-language')),
    'set-cookie': fc.option(fc.constant('a=1'), { nil: undefined, freq: 10 }),
  })
  .map(fields => withoutUndefined({ ...fields, date: date(0) }))
const status = fc.oneof(
  { weight: 3, arbitrary: fc.constant(200) },
  fc.constantFrom(201, 203, 204, 206, 301, 302, 307, 404, 410, 418, 500, 501, 503),
)

describe('what may be stored and reused, beside http-cache-semantics', () => {
  for (const isShared of [true, false])
    it(`agrees for ${isShared ? 'answers for all' : 'answers for one credential'}`, () => {
      let compared = 0
      fc.assert(
        fc.property(
          responseHeaders,
          status,
          maybe(controlOf(requestDirective)),
          laterSeconds,
          (headers, code, control, later) => {
            const oracle = oracleOf(code, headers)
            const judged = judge({ status: code, headers }, { ...POLICY, isShared })
            const expected = oracle.maxAge()
            // Stricter than the RFC, as README.md says.
            const isStricter =
              headers['set-cookie'] !== undefined ||
              headers.vary === '*' ||
              /no-cache|private/.test(headers['cache-control'] ?? '') ||
              (isShared && !/public|s-maxage/.test(headers['cache-control'] ?? ''))
            if ('refusal' in judged) {
              const isUseless = oracle.timeToLive() === 0 || !oracle.storable()
              assert.ok(isStricter || isUseless, `refused ${judged.refusal}: the oracle gives ${expected} s`)
              return
            }
            assert.ok(oracle.storable() && !isStricter)
            assert.equal(judged.lifetime.freshMs, expected * 1000)
            compared++
            oracle.later = later
            const request = withoutUndefined({ host: 'x', 'cache-control': control })
            const { revalidation } = oracle.evaluateRequest({ url: '/', method: 'GET', headers: request })
            const ageMs = initialAgeMs(headers) + later * 1000
            const use = usable(judged.lifetime, ageMs, parseCacheControl(control))
            const wanted =
              revalidation === undefined
                ? 'use'
                : (revalidation as { synchronous?: boolean }).synchronous === false
                  ? 'use-and-refresh'
                  : 'ask'
            assert.equal(use === 'none' || use === 'ask-first' ? 'ask' : use, wanted)
          },
        ),
        { numRuns: RUNS },
      )
      assert.ok(compared > RUNS / 60, `only ${compared} could be compared`)
    })

  it('serves no stale answer that must be revalidated', () => {
    for (const name of ['must-revalidate', 'proxy-revalidate']) {
      const headers = { 'cache-control': `max-age=10, stale-if-error=100, ${name}` }
      const judged = judge({ status: 200, headers }, { ...POLICY, staleWhileRevalidate: 50 })
      assert.deepEqual(judged, { lifetime: { freshMs: 10_000, whileRevalidateMs: 0, ifErrorMs: 0 } })
    }
  })

  it('counts the age of an answer by its Age, not by a clock that may differ', () => {
    const headers = { 'cache-control': 'max-age=60', date: 'Mon, 01 Jan 1990 00:00:00 GMT', age: '5' }
    assert.ok('lifetime' in judge({ status: 200, headers }, POLICY))
    assert.equal(initialAgeMs(headers), 5000)
  })

  it('takes an expiry by the clock of the service', () => {
    const headers = { date: 'Thu, 01 Jan 2099 00:00:00 GMT', expires: 'Thu, 01 Jan 2099 00:01:00 GMT' }
    const judged = judge({ status: 200, headers }, POLICY)
    assert.ok('lifetime' in judged && judged.lifetime.freshMs === 60_000)
  })

  it('gives answers without a lifetime the one that is configured, where their status allows it', () => {
    const policy = { ...POLICY, defaultTtl: 30 }
    assert.ok('lifetime' in judge({ status: 404, headers: {} }, policy))
    assert.deepEqual(judge({ status: 302, headers: {} }, policy), { refusal: 'no-lifetime' })
    assert.deepEqual(judge({ status: 200, headers: { expires: '0' } }, policy), { refusal: 'no-lifetime' })
  })

  it("gives an operator's stale windows to what is good for a while, and to all else only what it names", () => {
    const policy = { ...POLICY, staleWhileRevalidate: 50, staleIfError: 70 }
    const windows = (control: string | undefined) => {
      const headers = control === undefined ? {} : { 'cache-control': control }
      const judged = judge({ status: 200, headers }, policy)
      return 'refusal' in judged
        ? judged.refusal
        : [judged.lifetime.whileRevalidateMs, judged.lifetime.ifErrorMs]
    }
    assert.deepEqual(windows('max-age=1'), [50_000, 70_000])
    assert.deepEqual(windows('max-age=0'), [0, 70_000])
    assert.deepEqual(windows('max-age=0, stale-while-revalidate=5'), [5000, 70_000])
    assert.deepEqual(windows('stale-while-revalidate=5'), [5000, 0])
    assert.equal(windows(undefined), 'no-lifetime')
  })

  it('serves stale answers to the end of each window, and none behind it', () => {
    const lifetime = { freshMs: 10_000, whileRevalidateMs: 5_000, ifErrorMs: 20_000 }
    const none = parseCacheControl(undefined)
    const uses = [9_999, 10_000, 14_999, 15_000, 29_999, 30_000].map(ageMs => usable(lifetime, ageMs, none))
    assert.deepEqual(uses, ['use', 'use-and-refresh', 'use-and-refresh', 'ask-first', 'ask-first', 'none'])
    assert.equal(usable(lifetime, 30_000, parseCacheControl('no-cache')), 'none')
  })

  it('stores nothing that is at its end when it comes', () => {
    const judged = (age: string) =>
      judge({ status: 200, headers: { 'cache-control': 'max-age=60', age } }, POLICY)
    assert.deepEqual(judged('60'), { refusal: 'no-lifetime' })
    assert.ok('lifetime' in judged('59'))
  })

  it('cuts lifetimes and stale windows', () => {
    const headers = { 'cache-control': 'max-age=99999, stale-if-error=99999' }
    const judged = judge({ status: 200, headers }, { ...POLICY, maxTtl: 100 })
    assert.deepEqual(judged, { lifetime: { freshMs: 100_000, whileRevalidateMs: 0, ifErrorMs: 100_000 } })
  })
})

describe('Cache-Control', () => {
  it('is read with quoted values, odd spacing and any case', () => {
    const found = parseCacheControl('Private="set-cookie, x" ,MAX-AGE="5",, foo=bar=baz,no-cache ')
    assert.deepEqual(
      [...found.keys()].filter(name => name !== 'baz'),
      ['private', 'max-age', 'foo', 'no-cache'],
    )
    assert.equal(found.get('private'), 'set-cookie, x')
    assert.equal(seconds(found, 'max-age'), 5)
  })

  it('makes stale what names no number', () => {
    for (const text of ['max-age', 'max-age=', 'max-age=-1', 'max-age=1.5', 'max-age=abc'])
      assert.equal(seconds(parseCacheControl(text), 'max-age'), 0, text)
    assert.equal(seconds(parseCacheControl('max-age=99999999999999999999'), 'max-age'), 2_147_483_648)
  })

  it('never fails, whatever it is', () => {
    fc.assert(fc.property(fc.string(), text => void parseCacheControl(text)))
  })
})

describe('Accept-Encoding', () => {
  for (const [accepted, reduced] of [
    [undefined, 'identity'],
    ['', 'identity'],
    ['gzip, deflate, br', 'br'],
    ['gzip;q=1.0, br;q=0', 'gzip'],
    ['*', 'br'],
    ['*;q=0, gzip', 'gzip'],
    ['GZIP', 'gzip'],
    ['x-gzip', 'gzip'],
    ['zstd, identity', 'identity'],
    ['gzip;q=0.000', 'identity'],
  ] as const)
    it(`${accepted} becomes ${reduced}`, () => {
      assert.equal(reduceEncoding(accepted), reduced)
    })
})

/** As a shared cache, which stands at `NOW`. */
class Oracle extends CachePolicyOracle {
  /** Seconds after the answer came. The base class asks for the time before fields are set. */
  later: number | undefined
  now(): number {
    return NOW + (this.later ?? 0) * 1000
  }
}

function oracleOf(code: number, headers: Record<string, string>): Oracle {
  const request = { url: '/', method: 'GET', headers: { host: 'x' } }
  const options = { shared: true, cacheHeuristic: 0, immutableMinTimeToLive: 0 }
  return new Oracle(request, { status: code, headers }, options)
}

const withoutUndefined = (fields: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
