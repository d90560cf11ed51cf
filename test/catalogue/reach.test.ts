import assert from 'node:assert/strict'
import fc from 'fast-check'
import { placesOf } from '../../management/catalogue/reach.ts'
import { offerOf, route, service, serviceOf } from './rows.ts'

/** The places of one operation of the service `api`. */
function find(path: string, routes: object[], { method = 'GET', base = '/' } = {}) {
  const rows = routes.map((more, index) => route(`r${index}`, 'api', { ...more }))
  const offer = offerOf([service('api', { path: base })], rows)
  return placesOf(offer, serviceOf(offer, 'api'), method, path).map(({ path: found, servers }) =>
    servers.length === 0 ? found : `${found} @ ${servers.join(' ')}`,
  )
}

describe('where an operation is found on the gateway', () => {
  const cases: [what: string, got: () => string[], wanted: string[]][] = [
    [
      'behind the prefix that is stripped',
      () => find('/items/{id}', [{ paths: ['/shop'] }]),
      ['/shop/items/{id}'],
    ],
    ['at the prefix itself', () => find('/', [{ paths: ['/shop'] }]), ['/shop']],
    ['once for each path', () => find('/a', [{ paths: ['/x', '/y/'] }]), ['/x/a', '/y/a']],
    [
      'where it is, when nothing is stripped',
      () => find('/shop/a', [{ paths: ['/shop'], strip_path: false }]),
      ['/shop/a'],
    ],
    ['nowhere outside of the path', () => find('/other', [{ paths: ['/shop'], strip_path: false }]), []],
    ["without the service's base", () => find('/v1/a', [{ paths: ['/shop'] }], { base: '/v1' }), ['/shop/a']],
    ['nowhere outside of the base', () => find('/a', [{ paths: ['/shop'] }], { base: '/v1' }), []],
    [
      'at the root of the base, with its slash',
      () => find('/v1/', [{ paths: ['/shop'] }], { base: '/v1' }),
      ['/shop/'],
    ],
    ['nowhere by another method', () => find('/a', [{ paths: ['/shop'], methods: ['POST'] }]), []],
    [
      'at the hosts of the route',
      () => find('/a', [{ hosts: ['a.example', '*.b.example'] }]),
      ['/a @ http://a.example http://www.b.example'],
    ],
    [
      'by HTTPS where that is asked for',
      () => find('/a', [{ hosts: ['a.example'], protocols: ['https'] }]),
      ['/a @ https://a.example'],
    ],
    [
      'at every host where one route says so',
      () => find('/a', [{ hosts: ['a.example'], paths: ['/'] }, { paths: ['/'] }]),
      ['/a'],
    ],
    [
      'behind a regular expression that stands for one text',
      () => find('/a', [{ paths: ['~/shop/v\\.1'] }]),
      ['/shop/v.1/a'],
    ],
    ['nowhere behind one that stands for many', () => find('/a', [{ paths: ['~/shop/\\d+'] }]), []],
    [
      'where a regular expression takes a parameter of one kind',
      () => find('/items/{id}', [{ paths: ['~/items/\\d+$'], strip_path: false }]),
      ['/items/{id}'],
    ],
    [
      'with the headers of the route',
      () => find('/a', [{ paths: ['/shop'], headers: { 'x-version': ['2'] } }]),
      ['/shop/a'],
    ],
    [
      'behind the prefix of an expression',
      () => find('/a', [{ expression: 'http.path ^= "/shop"', priority: 1, protocols: ['http'] }]),
      ['/shop/a'],
    ],
  ]
  for (const [what, got, wanted] of cases) it(what, () => assert.deepEqual(got(), wanted))

  it('nowhere that another service is asked instead', () => {
    const offer = offerOf(
      [service('api'), service('other')],
      [route('all', 'api', { paths: ['/'] }), route('some', 'other', { paths: ['/shop'] })],
    )
    const places = (path: string) =>
      placesOf(offer, serviceOf(offer, 'api'), 'GET', path).map(place => place.path)
    assert.deepEqual(places('/shop/a'), [])
    assert.deepEqual(places('/a'), ['/a'])
  })

  it('wherever a request reaches it: the way back of every way through the router', () => {
    const segment = fc.constantFrom('a', 'b', 'shop', 'v1')
    const prefix = fc.array(segment, { maxLength: 2 }).map(parts => `/${parts.join('/')}`)
    const routes = fc.array(
      fc.record({
        paths: fc.array(prefix, { minLength: 1, maxLength: 2 }),
        strip_path: fc.boolean(),
        owner: fc.constantFrom('api', 'other'),
      }),
      { minLength: 1, maxLength: 4 },
    )
    fc.assert(
      fc.property(
        routes,
        fc.constantFrom('/', '/v1', '/v1/'),
        fc.array(segment, { maxLength: 4 }),
        (rows, base, parts) => {
          const offer = offerOf(
            [service('api', { path: base }), service('other')],
            rows.map(({ owner, ...more }, index) => route(`r${index}`, owner, more)),
          )
          const requestUri = `/${parts.join('/')}`
          const query = {
            ...{ method: 'GET', requestUri, hostHeader: 'any', clientIp: '', clientPort: 0 },
            ...{ serverIp: '', serverPort: 0, scheme: 'http' as const, serverName: undefined, query: {} },
            header: () => undefined,
          }
          const found = offer.router.match(query)
          if (found?.route.serviceId !== 'api') return
          const places = placesOf(offer, serviceOf(offer, 'api'), 'GET', found.upstreamPath(base))
          assert.ok(places.length > 0, `${requestUri} → ${found.upstreamPath(base)}`)
        },
      ),
      { numRuns: 500 },
    )
  })
})
