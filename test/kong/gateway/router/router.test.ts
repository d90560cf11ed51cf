import assert from 'node:assert/strict'
import fc from 'fast-check'
import { normalizePath } from '../../../../kong/entities/paths.ts'
import { escapePath, upstreamPath } from '../../../../kong/gateway/router/path.ts'
import type { RouteFields, RouteQuery } from '../../../../kong/gateway/router/route.ts'
import { createRouter } from '../../../../kong/gateway/router/router.ts'

interface Asked {
  method?: string
  host?: string
  headers?: Record<string, string | string[]>
  from?: string
  /** The name that the client gave when TLS began; the request has TLS then. */
  serverName?: string
}

const ask = (requestUri: string, asked: Asked = {}): RouteQuery => ({
  method: asked.method ?? 'GET',
  requestUri,
  hostHeader: asked.host ?? 'localhost',
  clientIp: asked.from ?? '127.0.0.1',
  clientPort: 40_000,
  serverIp: '127.0.0.1',
  serverPort: 8000,
  scheme: asked.serverName === undefined ? 'http' : 'https',
  serverName: asked.serverName,
  query: {},
  header: name => asked.headers?.[name],
})

const route = (id: string, fields: Partial<RouteFields>): RouteFields => ({ id, ...fields })
const found = (routes: RouteFields[], uri: string, asked?: Asked) =>
  createRouter(routes).match(ask(uri, asked))?.route.id

describe('the router', () => {
  describe('by path', () => {
    it('takes the longest prefix, which need not end at a slash', () => {
      const routes = [route('short', { paths: ['/a'] }), route('long', { paths: ['/a/b'] })]
      assert.equal(found(routes, '/a/b/c'), 'long')
      assert.equal(found(routes, '/ab'), 'short')
      assert.equal(found(routes, '/b'), undefined)
    })

    it('tries regular expressions before prefixes, by their priority', () => {
      const routes = [
        route('prefix', { paths: ['/items/list'] }),
        route('low', { paths: ['~/items/.*'], regex_priority: 1 }),
        route('high', { paths: ['~/items/l.*'], regex_priority: 2 }),
      ]
      assert.equal(found(routes, '/items/list'), 'high')
      assert.equal(found(routes, '/items/x'), 'low')
    })

    it('anchors a regular expression at the start and gives its captures', () => {
      const router = createRouter([route('rx', { paths: ['~/v(?<ver>\\d+)/items/(\\w+)$'] })])
      const match = router.match(ask('/v12/items/foo'))
      assert.deepEqual(match?.captures, { unnamed: ['/v12/items/foo', '12', 'foo'], named: { ver: '12' } })
      assert.equal(router.match(ask('/x/v12/items/foo')), undefined)
      assert.equal(router.match(ask('/v12/items/foo/')), undefined)
    })

    it('understands the forms of the engine of Kong', () => {
      assert.equal(found([route('i', { paths: ['~/(?i)case/\\w+$'] })], '/CASE/x'), 'i')
      assert.equal(found([route('z', { paths: ['~/end\\z'] })], '/end'), 'z')
    })

    it('leaves out a route that it can not match, tells it, and serves the others', () => {
      const faults: string[] = []
      const routes = [route('bad', { paths: ['~/(?x)a'] }), route('good', { paths: ['/a'] })]
      const router = createRouter(routes, { onFault: ({ id }) => faults.push(id) })
      assert.equal(router.match(ask('/a'))?.route.id, 'good')
      assert.deepEqual(faults, ['bad'])
    })

    it('ranks each length of the paths of one route by itself', () => {
      const routes = [route('two', { paths: ['/', '/a/long/one'] }), route('mid', { paths: ['/a'] })]
      assert.equal(found(routes, '/a/long/one'), 'two')
      assert.equal(found(routes, '/a/x'), 'mid')
      assert.equal(found(routes, '/z'), 'two')
    })

    it('matches the decoded path, in the bytes of UTF-8', () => {
      assert.equal(found([route('u', { paths: ['/é'] })], '/%C3%A9'), 'u')
      assert.equal(found([route('e', { paths: ['/a b'] })], '/a%20b'), 'e')
      assert.equal(found([route('s', { paths: ['/a/b'] })], '/a%2Fb'), undefined)
    })
  })

  describe('by host', () => {
    it('matches a host exactly, and by the case of its letters', () => {
      const routes = [route('h', { hosts: ['joke.com'] })]
      assert.equal(found(routes, '/', { host: 'joke.com' }), 'h')
      assert.equal(found(routes, '/', { host: 'joke.com:8000' }), 'h')
      assert.equal(found(routes, '/', { host: 'JOKE.com' }), undefined)
    })

    it('matches wildcards at either end, after plain hosts', () => {
      const routes = [
        route('left', { hosts: ['*.wild.example'] }),
        route('plain', { hosts: ['x.wild.example'] }),
        route('right', { hosts: ['example.*'] }),
      ]
      assert.equal(found(routes, '/', { host: 'x.wild.example' }), 'plain')
      assert.equal(found(routes, '/', { host: 'x.y.wild.example' }), 'left')
      assert.equal(found(routes, '/', { host: 'wild.example' }), undefined)
      assert.equal(found(routes, '/', { host: 'example.org' }), 'right')
    })

    it('compares a port in the host with the one asked for, else with the listener', () => {
      const routes = [route('p', { hosts: ['a.com:8000'] })]
      assert.equal(found(routes, '/', { host: 'a.com:8000' }), 'p')
      assert.equal(found(routes, '/', { host: 'a.com' }), 'p')
      assert.equal(found(routes, '/', { host: 'a.com:9' }), undefined)
    })
  })

  it('puts the route with more kinds of criteria first', () => {
    const routes = [
      route('path', { paths: ['/hdr/very/long'] }),
      route('header', { paths: ['/hdr'], headers: { 'X-Version': ['v1'] } }),
      route('both', { paths: ['/'], headers: { 'x-version': ['V1'], 'x-b': ['~*^b+$'] } }),
    ]
    assert.equal(found(routes, '/hdr/very/long'), 'path')
    assert.equal(found(routes, '/hdr/very/long', { headers: { 'x-version': 'v1' } }), 'header')
    assert.equal(found(routes, '/hdr', { headers: { 'x-version': ['v0', 'v1'], 'x-b': 'bbb' } }), 'both')
  })

  it('tells methods and source networks apart', () => {
    const routes = [
      route('post', { paths: ['/'], methods: ['POST'] }),
      route('net', { paths: ['/'], sources: [{ ip: '10.0.0.0/8' }] }),
      route('any', { paths: ['/'] }),
    ]
    assert.equal(found(routes, '/', { method: 'POST' }), 'post')
    assert.equal(found(routes, '/', { from: '10.1.2.3' }), 'net')
    assert.equal(found(routes, '/'), 'any')
  })

  it('takes the higher id of two equal routes, whatever their order', () => {
    const a = route('aaaaaaaa-0000-4000-8000-000000000000', { paths: ['/x'] })
    const b = route('bbbbbbbb-0000-4000-8000-000000000000', { paths: ['/x'] })
    assert.equal(found([a, b], '/x'), b.id)
    assert.equal(found([b, a], '/x'), b.id)
  })
})

describe('the path for the upstream', () => {
  const cases: [path: string, base: string, prefix: string | undefined, strip: boolean, want: string][] = [
    ['/a', '/', '/a', true, '/'],
    ['/a/', '/', '/a', true, '/'],
    ['/ab', '/', '/a', true, '/b'],
    ['/a/c', '/base', '/a', true, '/base/c'],
    ['/a', '/base', '/a', true, '/base'],
    ['/a/', '/base', '/a', true, '/base/'],
    ['/a', '/base/', '/a', true, '/base'],
    ['/a/', '/base/', '/a', true, '/base/'],
    ['/a/c', '/base/', '/a', true, '/base/c'],
    ['/bk/z', '/base', undefined, false, '/base/bk/z'],
    ['/', '/base', undefined, false, '/base'],
    ['/bk', '/base/', undefined, false, '/base/bk'],
    ['/w', '/', undefined, true, '/w'],
    ['/a../b', '/base', '/a', true, '/base/b'],
  ]
  for (const [path, base, prefix, strip, want] of cases)
    it(`joins ${base} and ${path}${strip ? ` without ${prefix ?? 'a prefix'}` : ''} to ${want}`, () => {
      assert.equal(upstreamPath(path, base, prefix, strip), want)
    })

  it('decodes what is not reserved, drops dot segments and merges slashes', () => {
    assert.equal(normalizePath('/a/%20space%2fslash//double/../up'), '/a/ space%2Fslash/up')
    assert.equal(normalizePath('/a/%2e%2E/b/.'), '/b/')
    assert.equal(normalizePath('/../..'), '/')
    assert.equal(escapePath('/ space%2Fslash/é'), '/%20space%2Fslash/%E9')
  })

  it('never lets a request climb above the root', () => {
    const segment = fc.constantFrom('..', '.', '', 'a', '%2e%2e', '%2E', 'b.c', '%2F')
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 12 }), parts => {
        const path = normalizePath(`/${parts.join('/')}`)
        assert.ok(path.startsWith('/'))
        assert.ok(!path.split('/').some(s => s === '..' || s === '.'), path)
        assert.ok(!path.includes('//'))
        assert.equal(normalizePath(path), path)
      }),
    )
  })
})
