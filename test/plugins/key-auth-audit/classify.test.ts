import assert from 'node:assert/strict'
import { classify } from '../../../plugins/key-auth-audit/classify.ts'
import { whoAnswered } from '../../../sdk/log-data/answered-by.ts'
import { findKey } from '../../../sdk/log-data/key.ts'
import type { Serialized } from '../../../sdk/log-data/serialized.ts'
import { RECORDED, recorded } from './recorded.ts'

const of = (log: Serialized, hideCredentials = false) =>
  classify(log, findKey(log, ['apikey']), { hideCredentials })

/** What each recorded outcome says; null where it says nothing about authentication. */
const EXPECTED: Readonly<
  Record<string, readonly [outcome: string, reason: string | null, scheme: string] | null>
> = {
  ok: null,
  'upstream-404': null,
  'upstream-429': null,
  'upstream-500': null,
  'upstream-503': null,
  'connection-refused': null,
  'upstream-timeout': null,
  'upstream-reset': null,
  'upstream-cut-body': null,
  'empty-pool': null,
  'retry-then-ok-1': null,
  'retry-then-ok-2': null,
  'no-service': null,
  'no-route': null,
  'key-missing': ['denied', 'missing', 'key'],
  'key-invalid': ['denied', 'invalid', 'key'],
  'key-duplicate': ['denied', 'duplicate', 'key'],
  'key-granted': ['granted', null, 'key'],
  'key-in-query': ['granted', null, 'key'],
  anonymous: ['anonymous', 'missing', 'unknown'],
  'basic-missing': ['denied', 'missing', 'basic'],
  'basic-invalid': ['denied', 'invalid', 'basic'],
  'acl-forbidden': ['denied', 'forbidden', 'key'],
  'limited-first': null,
  limited: ['denied', 'limited', 'unknown'],
  terminated: null,
  'too-large': null,
  'jwt-invalid': ['denied', 'invalid', 'bearer'],
  'client-abort': null,
  'bad-request': null,
}

describe('the classification of what a real Kong logged', () => {
  it('knows every recorded outcome', () => {
    assert.deepEqual(RECORDED.map(each => each.case).sort(), Object.keys(EXPECTED).sort())
  })

  for (const { case: name, log } of RECORDED)
    it(`calls ${name} ${EXPECTED[name]?.filter(Boolean).join(', ') ?? 'no matter of authentication'}`, () => {
      const found = of(log)
      assert.deepEqual(found ? [found.outcome, found.reason, found.scheme] : null, EXPECTED[name])
    })

  for (const { case: name, source, log } of RECORDED)
    it(`infers who answered ${name}: ${source}`, () => {
      // Kong itself calls a request that it could not parse an error; without a try that can't be told.
      const expected = name === 'bad-request' ? 'exit' : source
      assert.equal(of({ ...log, authenticated_entity: { id: 'c' } })!.answeredBy, expected)
    })

  const identified = (name: string) =>
    of({ ...recorded(name), authenticated_entity: { id: 'c' }, consumer: { id: 'x' } })!
  for (const [name, outcome, reason] of [
    ['upstream-404', 'granted', null],
    ['upstream-429', 'granted', null],
    ['upstream-500', 'granted', null],
    ['upstream-cut-body', 'granted', null],
    ['retry-then-ok-1', 'granted', null],
    ['client-abort', 'granted', null],
    ['connection-refused', 'granted', 'error'],
    ['upstream-timeout', 'granted', 'error'],
    ['upstream-reset', 'granted', 'error'],
    ['empty-pool', 'denied', 'error'],
    ['no-service', 'denied', 'error'],
    ['terminated', 'denied', 'error'],
    ['too-large', 'denied', 'error'],
    ['limited', 'denied', 'limited'],
  ] as const)
    it(`calls ${name} of an identified consumer ${outcome}${reason ? `, ${reason}` : ''}`, () => {
      assert.deepEqual([identified(name).outcome, identified(name).reason], [outcome, reason])
    })

  it('can not tell a missing key from an invalid one where key-auth hides credentials', () => {
    assert.equal(of(recorded('key-missing'), true)!.reason, 'missing_or_invalid')
    assert.equal(of(recorded('key-invalid'), true)!.reason, 'invalid')
  })

  it('tells an anonymous client with a wrong key from one without', () => {
    const log = recorded('anonymous')
    log.request.headers.apikey = 'wrong'
    assert.deepEqual([of(log)!.outcome, of(log)!.reason], ['anonymous', 'invalid'])
  })

  it('does not believe a client that calls itself anonymous', () => {
    const log = recorded('key-granted')
    log.request.headers['x-anonymous-consumer'] = 'true'
    assert.equal(of(log)!.outcome, 'granted')
  })

  it('says nothing about data that has another shape', () => {
    const odd = [{}, { request: null, response: 7, tries: 'x' }, { consumer: [], authenticated_entity: 'x' }]
    for (const log of odd) assert.equal(of(log as Serialized), undefined)
  })

  it('sees that the upstream answered, also where Kong marks its only permitted try as failed', () => {
    const log = {
      ...recorded('upstream-500'),
      tries: [{ ip: '127.0.0.1', port: 80, state: 'failed', code: 500 }],
      source: 'upstream',
    } as Serialized
    assert.equal(whoAnswered(log), 'service')
    assert.equal(whoAnswered({ ...log, source: 'kong' } as Serialized), 'error')
  })
})
