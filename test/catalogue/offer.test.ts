import assert from 'node:assert/strict'
import { answersOf, authenticationOf, limitsOf } from '../../management/catalogue/plugin-effects.ts'
import { offerOf, plugin, route, service, serviceOf } from './rows.ts'

describe('what the gateway offers', () => {
  it('is services with a route, by name, without those that are disabled or hidden', () => {
    const offer = offerOf(
      [
        service('z'),
        service('a'),
        service('without-route'),
        service('off', { enabled: false }),
        service('hidden', { tags: ['catalogue:hide'] }),
        service('stream'),
      ],
      [
        ...['z', 'a', 'off', 'hidden'].map(name => route(`${name}-route`, name, { paths: [`/${name}`] })),
        route('stream-route', 'stream', { protocols: ['tcp'] }),
      ],
    )
    assert.deepEqual(
      offer.services.map(({ name }) => name),
      ['a', 'z'],
    )
  })

  it('knows the path of a document and the end of a service by its tags', () => {
    const offer = offerOf(
      [
        service('a', { tags: ['openapi:%2Fv1%2Fopenapi.json', 'sunset:2027-03-31'] }),
        service('b', { tags: ['deprecated'] }),
      ],
      [route('a', 'a', { paths: ['/a'] }), route('b', 'b', { paths: ['/b'] })],
    )
    assert.equal(serviceOf(offer, 'a').documentPath, '/v1/openapi.json')
    assert.deepEqual(serviceOf(offer, 'a').deprecation, { sunset: '2027-03-31' })
    assert.deepEqual(serviceOf(offer, 'b').deprecation, { sunset: undefined })
    assert.equal(serviceOf(offer, 'b').documentPath, undefined)
  })

  it('takes the most specific entry of a plugin, and none that is disabled or of one consumer', () => {
    const offer = offerOf(
      [service('a')],
      [route('a', 'a', { paths: ['/a'] })],
      [
        plugin('rate-limiting', { config: { second: 1 } }),
        plugin('rate-limiting', { config: { second: 2 }, service: { id: 'a' } }),
        plugin('rate-limiting', { config: { second: 3 }, route: { id: 'a' } }),
        plugin('rate-limiting', { config: { second: 4 }, route: { id: 'other' } }),
        plugin('rate-limiting', { config: { second: 5 }, route: { id: 'a' }, consumer: { id: 'c' } }),
        plugin('key-auth', { enabled: false, route: { id: 'a' } }),
      ],
    )
    const { plugins } = serviceOf(offer, 'a').routes[0]!
    assert.deepEqual(plugins, [{ name: 'rate-limiting', config: { second: 3 } }])
    assert.deepEqual(limitsOf(plugins), [{ requests: 3, seconds: 1 }])
  })
})

describe('what clients meet of the plugins', () => {
  const named = (plugins: Parameters<typeof authenticationOf>[0]) =>
    authenticationOf(plugins).map(one => one.map(({ name }) => name))

  it('is every authentication plugin, each by one of its ways', () => {
    const keyAuth = { name: 'key-auth', config: { key_names: ['apikey'], key_in_query: false } }
    assert.deepEqual(named([]), [[]])
    assert.deepEqual(named([keyAuth]), [['gateway_key_apikey']])
    assert.deepEqual(named([{ name: 'key-auth', config: { key_names: ['k'] } }]), [
      ['gateway_key_k'],
      ['gateway_key_query_k'],
    ])
    assert.deepEqual(named([keyAuth, { name: 'jwt', config: {} }]), [
      ['gateway_key_apikey', 'gateway_bearer'],
    ])
  })

  it('is one of them, or none, where they let strangers through', () => {
    const anonymous = { anonymous: 'somebody' }
    const plugins = [
      { name: 'basic-auth', config: anonymous },
      { name: 'jwt', config: anonymous },
    ]
    assert.deepEqual(named(plugins), [['gateway_basic'], ['gateway_bearer'], []])
  })

  it('is answers of the gateway, those of the members of `sluice` included', () => {
    assert.deepEqual(
      answersOf([
        { name: 'jwt', config: {} },
        { name: 'qos', config: {} },
      ]),
      [401, 429, 503],
    )
    assert.deepEqual(answersOf([{ name: 'sluice', config: { circuit_breaker: {}, qos: null } }]), [503])
    assert.deepEqual(answersOf([{ name: 'prometheus', config: {} }]), [])
  })

  it('is the limits of each tier, but not those that are only watched', () => {
    const tiers = { gold: { limits: [{ requests: 5, per: 60 }] } }
    assert.deepEqual(limitsOf([{ name: 'qos', config: { tiers } }]), [
      { tier: 'gold', requests: 5, seconds: 60 },
    ])
    assert.deepEqual(limitsOf([{ name: 'qos', config: { tiers, mode: 'shadow' } }]), [])
  })
})
