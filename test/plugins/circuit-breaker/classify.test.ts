import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { classify, type Outcome } from '../../../plugins/circuit-breaker/classify.ts'

interface Recorded {
  readonly case: string
  readonly log: Readonly<Record<string, unknown>>
}

const RECORDED = readFileSync(
  new URL('../../contract/kong-reference/pdk/log-outcomes.jsonl', import.meta.url),
  'utf8',
)
  .trim()
  .split('\n')
  .map(line => JSON.parse(line) as Recorded)

/** What each outcome that was recorded from a real Kong means for the breaker. */
const MEANING: Readonly<Record<string, Outcome>> = {
  ok: 'success',
  'upstream-404': 'success',
  'upstream-429': 'success',
  'upstream-500': 'failure',
  'upstream-503': 'failure',
  'connection-refused': 'unreachable',
  'upstream-timeout': 'unreachable',
  'upstream-reset': 'unreachable',
  'upstream-cut-body': 'success',
  'empty-pool': 'none',
  'retry-then-ok-1': 'success',
  'retry-then-ok-2': 'success',
  'no-service': 'none',
  'no-route': 'none',
  'key-missing': 'none',
  'key-invalid': 'none',
  'key-duplicate': 'none',
  'key-granted': 'success',
  'key-in-query': 'success',
  anonymous: 'success',
  'basic-missing': 'none',
  'basic-invalid': 'none',
  'acl-forbidden': 'none',
  'limited-first': 'success',
  limited: 'none',
  terminated: 'none',
  'too-large': 'none',
  'jwt-invalid': 'none',
  'client-abort': 'none',
  'bad-request': 'none',
}

const DEFAULTS = new Set([500, 502, 503, 504])

describe('an outcome that a real Kong logged', () => {
  it('is recorded for every case that has a meaning, and the other way round', () => {
    assert.deepEqual(RECORDED.map(r => r.case).sort(), Object.keys(MEANING).sort())
  })

  for (const recorded of RECORDED)
    it(`${recorded.case} counts as ${MEANING[recorded.case]}`, () => {
      const call = classify(recorded.log, DEFAULTS)
      assert.equal(call.outcome, MEANING[recorded.case])
      assert.equal(call.startedAtMs, recorded.log.started_at)
      assert.equal(call.mark, undefined)
    })
})

describe('the outcome of a call', () => {
  const base = { tries: [{ ip: '10.0.0.1' }], started_at: 1, latencies: { proxy: 7 } }

  it('is an answer of the upstream also where Kong marks its last try as failed', () => {
    // Recorded from Kong 3.9.3: a service with `retries: 0`, an upstream that answers 500, and one that is away.
    const tries = [{ state: 'failed', code: 500, ip: '127.0.0.1', port: 19555 }]
    const answered = { ...base, tries, upstream_status: '500', source: 'upstream', response: { status: 500 } }
    assert.equal(classify(answered, DEFAULTS).outcome, 'failure')
    assert.equal(classify(answered, new Set([503])).outcome, 'success')
    const away = [{ state: 'failed', code: 502, ip: '127.0.0.1', port: 19555 }]
    const refused = {
      ...base,
      tries: away,
      upstream_status: '502',
      source: 'kong',
      response: { status: 502 },
    }
    assert.equal(classify(refused, new Set()).outcome, 'unreachable')
  })

  it('follows failure_statuses', () => {
    const log = { ...base, upstream_status: '500', response: { status: 500 } }
    assert.equal(classify(log, new Set([503])).outcome, 'success')
    assert.equal(classify({ ...log, upstream_status: '429' }, new Set([429])).outcome, 'failure')
  })

  it("is the upstream's, also where a plugin has changed the answer", () => {
    assert.equal(
      classify({ ...base, upstream_status: '200', response: { status: 502 } }, DEFAULTS).outcome,
      'success',
    )
    assert.equal(
      classify({ ...base, upstream_status: '502', response: { status: 200 } }, DEFAULTS).outcome,
      'failure',
    )
  })

  it('takes a 499 of the upstream itself for an answer', () => {
    assert.equal(
      classify({ ...base, upstream_status: '499', response: { status: 499 } }, DEFAULTS).outcome,
      'success',
    )
  })

  it('reads the last status after an internal redirect', () => {
    assert.equal(
      classify({ ...base, upstream_status: '502, 502 : 200', response: { status: 200 } }, DEFAULTS).outcome,
      'success',
    )
  })

  it('carries the mark of the access phase', () => {
    const log = { ...base, upstream_status: '200', sluice: { breaker: 'probe own 3 t' } }
    assert.equal(classify(log, DEFAULTS).mark, 'probe own 3 t')
  })

  it('survives a log without any of the fields', () => {
    for (const log of [{}, { tries: null }, { tries: [null] }, { tries: 'x', response: 3 }])
      assert.equal(classify(log as Record<string, unknown>, DEFAULTS).outcome, 'none')
  })
})

describe('a client that left', () => {
  it('says nothing about the upstream, also after a try that failed', () => {
    const tries = [{ state: 'failed', code: 502 }, {}]
    const left = { tries, upstream_status: '-', response: { status: 499 }, source: 'kong' }
    for (const log of [left, { ...left, tries: tries.slice(0, 1) }])
      assert.equal(classify(log, new Set([502])).outcome, 'none')
  })
})
