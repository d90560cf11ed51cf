import assert from 'node:assert/strict'
import { readPlace, writePlace } from '../../dashboard/model/place.ts'
import { publishOperations } from '../../dashboard/model/publish.ts'
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
  const answers = {
    name: 'orders',
    url: 'https://orders.internal/v1',
    paths: ['/orders'],
    hosts: [],
    auth: 'key-auth',
    limit: { requests: 5, seconds: 60 },
    cacheSeconds: 30,
  }

  it('makes service, route and plugins that refer to the service', () => {
    const operations = publishOperations(answers, { plugins: new Set(['qos']), newId: () => 'id-1' })
    assert.deepEqual(
      operations.map(({ kind, body }) => [kind, body?.name, (body?.service as { id?: string })?.id]),
      [
        ['services', 'orders', undefined],
        ['routes', 'orders', 'id-1'],
        ['plugins', 'key-auth', 'id-1'],
        ['plugins', 'qos', 'id-1'],
        ['plugins', 'proxy-cache', 'id-1'],
      ],
    )
    assert.deepEqual(operations[0]?.body, {
      id: 'id-1',
      name: 'orders',
      protocol: 'https',
      host: 'orders.internal',
      port: 443,
      path: '/v1',
    })
  })

  it('takes the plugins of Kong where the gateway has none of ours, and none that was not asked for', () => {
    const operations = publishOperations(
      { ...answers, auth: '', cacheSeconds: undefined },
      { plugins: new Set(), newId: () => 'id' },
    )
    assert.deepEqual(
      operations.slice(2).map(({ body }) => body?.name),
      ['rate-limiting'],
    )
  })
})
