import assert from 'node:assert/strict'
import { readPlace, writePlace } from '../../dashboard/model/place.ts'
import { apiOf, START, stepOfFault } from '../../dashboard/model/publish-form.ts'
import { EventStreamReader } from '../../dashboard/model/sse.ts'

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
