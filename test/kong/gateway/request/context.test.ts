import assert from 'node:assert/strict'
import { createRequestContext, exitRequest } from '../../../../kong/gateway/request/context.ts'
import { HeaderFields } from '../../../../kong/gateway/request/headers.ts'

function context() {
  return createRequestContext({
    id: '0123456789abcdef0123456789abcdef',
    startedAtMs: 1_795_188_740_775,
    client: { ip: '127.0.0.1', port: 40_000 },
    request: {
      scheme: 'http',
      httpVersion: 1.1,
      target: '/a/b?c=1',
      host: 'api.test',
      port: 8000,
      method: 'GET',
      query: 'c=1',
      headers: HeaderFields.fromRaw(['Host', 'api.test:8000', 'X-Multi', '1', 'x-multi', '2']),
      body: { read: async () => Buffer.alloc(0) },
    },
  })
}

describe('header fields', () => {
  it('are found without regard to case, and keep the values of a name together', () => {
    const headers = HeaderFields.fromRaw(['X-Multi', '1', 'Accept', '*/*', 'x-multi', '2'])
    assert.deepEqual(headers.all('X-MULTI'), ['1', '2'])
    assert.equal(headers.get('accept'), '*/*')
    assert.deepEqual(headers.toRaw(), ['X-Multi', '1', 'X-Multi', '2', 'Accept', '*/*'])
  })

  it('are replaced in their place, and removed by an empty list', () => {
    const headers = HeaderFields.fromRaw(['A', '1', 'B', '2'])
    headers.set('a', ['3', '4'])
    headers.set('B', [])
    assert.deepEqual(headers.toRaw(), ['a', '3', 'a', '4'])
  })
})

describe('an exit', () => {
  it('keeps the headers that were set before, under those that it brings', () => {
    const state = context()
    state.response.headers.set('X-Early', '1')
    state.response.headers.set('X-Both', 'early')
    exitRequest(state, 418, { stop: true }, { 'x-both': 'late', 'Transfer-Encoding': 'chunked' })
    assert.equal(state.response.status, 418)
    assert.equal(state.exit?.body, '{"stop":true}')
    assert.deepEqual(Object.fromEntries([...state.response.headers.entries()]), {
      'x-early': ['1'],
      'x-both': ['late'],
      'content-type': ['application/json; charset=utf-8'],
      'content-length': ['13'],
    })
    assert.equal(state.outcome.source, 'exit')
  })

  it('without a body has a length of 0', () => {
    const state = context()
    exitRequest(state, 204)
    assert.equal(state.response.headers.get('content-length'), '0')
    assert.equal(state.exit?.body, undefined)
  })
})
