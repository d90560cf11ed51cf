import assert from 'node:assert/strict'
import { factsOf } from '../../dashboard/model/audit.ts'
import { readPlace, writePlace } from '../../dashboard/model/place.ts'
import { apiOf, START, stepOfFault } from '../../dashboard/model/publish-form.ts'
import { EventStreamReader } from '../../dashboard/model/sse.ts'
import { AUDIT_EVENTS } from '../../plugins/key-auth-audit/events.ts'

describe('a stream of events', () => {
  it('is read the same in whatever pieces it comes', () => {
    const text =
      ': hello\n\nid: 1\nevent: a.b\ndata: {"x":1}\n\nid:2\r\ndata: one\r\ndata: two\r\n\r\n: still here\n\n'
    const expected = [
      { id: '1', type: 'a.b', data: '{"x":1}' },
      { id: '2', type: 'message', data: 'one\ntwo' },
    ]
    for (let size = 1; size <= text.length; size++) {
      const reader = new EventStreamReader()
      const events = []
      for (let i = 0; i < text.length; i += size) events.push(...reader.read(text.slice(i, i + size)))
      assert.deepEqual(events, expected, `pieces of ${size}`)
    }
  })
})

describe('an address of the dashboard', () => {
  it('is read as it was written', () => {
    const { path, query } = readPlace(writePlace(['plugins', 'a/b?c'], { service: 'x&y', empty: '' }))
    assert.deepEqual(path, ['plugins', 'a/b?c'])
    assert.deepEqual([...query], [['service', 'x&y']])
    assert.deepEqual(readPlace('').path, [])
    assert.deepEqual(readPlace('#/%E0%A4%A').path, ['%E0%A4%A'])
  })
})

describe('the wizard', () => {
  const typed = {
    ...START,
    name: ' orders ',
    url: 'https://orders.internal/v1',
    paths: '/orders, /o',
    hasCache: true,
  }

  it('asks for an API as the manager takes it', () => {
    assert.deepEqual(apiOf(typed), {
      name: 'orders',
      url: 'https://orders.internal/v1',
      paths: ['/orders', '/o'],
      auth: 'key-auth',
      limits: [{ requests: 60, per_seconds: 60 }],
      cache: { seconds: 60 },
    })
  })

  it('asks for nothing that was not chosen', () => {
    const least = { ...typed, paths: '', hosts: 'a.example', auth: '', hasLimit: false, hasCache: false }
    assert.deepEqual(Object.keys(apiOf(least)), ['name', 'url', 'hosts'])
  })

  it('shows a fault at the step that asked for what is wrong', () => {
    assert.deepEqual(
      ['/url', '/paths/0', '/auth', '/limits/0/requests', '/cache'].map(stepOfFault),
      [0, 0, 1, 2, 3],
    )
  })
})

describe('the facts of an audited request', () => {
  it('have words of their own for every field that is recorded, with units', () => {
    const [granted] = AUDIT_EVENTS
    const fields = Object.keys(granted?.data.properties ?? {})
    const record = Object.fromEntries([...fields, 'id', 'node', 'time'].map(name => [name, 1]))
    const facts = factsOf({ ...record, time: '2026-01-02T03:04:05Z' })
    assert.equal(facts.length, fields.length + 3)
    for (const [title] of facts) assert.match(title, /^[A-Z][^_]*$/)
    assert.equal(new Set(facts.map(([title]) => title)).size, facts.length)
    const shown = Object.fromEntries(facts)
    assert.deepEqual([shown.Took, shown['Share recorded']], ['1 ms', '100 %'])
  })

  it('are without what is not set, and with what a later version records', () => {
    const record = { new_field: 'x', trace_id: null, latency_upstream_ms: -1, answered_by: 'exit' }
    assert.deepEqual(factsOf({ ...record, reason: 'missing_or_invalid' }), [
      ['Reason', 'missing or invalid'],
      ['Answered by', 'Kong or a plugin, before a service was asked'],
      ['new_field', 'x'],
    ])
  })
})
