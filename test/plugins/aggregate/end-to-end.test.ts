import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { plugin as aggregate } from '../../../plugins/aggregate/plugin.ts'
import { plugin as sluice } from '../../../plugins/sluice/plugin.ts'
import { definePlugin, Type } from '../../../sdk/sdk.ts'
import { type EdgeGateway, startEdgeGateway } from '../../support/edge-gateway.ts'
import { freePort } from '../../support/ports.ts'
import { until } from '../../support/until.ts'
import { startUpstream, type TestUpstream } from '../../support/upstream.ts'

const marks: unknown[] = []
/** Shows what is in the log data of parts. */
const witness = definePlugin({
  name: 'witness',
  version: '1.0.0',
  priority: 1,
  config: Type.Object({}),
  phases: {
    async log(kong) {
      const { sluice: mark } = await kong.log.serialize()
      marks.push((mark as { internal?: unknown } | undefined)?.internal)
    },
  },
})

interface Body {
  readonly [name: string]: unknown
  readonly errors?: readonly { readonly part: string; readonly status: number }[]
}

for (const protocol of ['ProtoBuf:1', 'MsgPack:1'] as const)
  describe(`aggregate over ${protocol}`, () => {
    let gateway: EdgeGateway
    let service: TestUpstream
    let seen: IncomingMessage[]
    let behave: (url: string, response: ServerResponse) => boolean
    const json = (response: ServerResponse, value: unknown, status = 200) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))

    before(async () => {
      service = await startUpstream((request, response) => {
        seen.push(request)
        const url = request.url ?? ''
        if (behave(url, response)) return
        if (url.startsWith('/users/me')) json(response, { id: 'u 1', name: 'Ada' })
        else json(response, { items: [url] })
      })
      const proxyPort = await freePort()
      gateway = await startEdgeGateway({
        plugins: [aggregate, sluice, witness],
        protocol,
        proxyPort,
        env: {
          SLUICE_PROXY_URL: `http://127.0.0.1:${proxyPort}`,
          SLUICE_LOOPBACK_SECRET: 'a secret of the tests, at least 32 characters',
        },
      })
      const auth = { name: 'key-auth', config: {} }
      await gateway.addService('users', `${service.url}/users`, [auth])
      await gateway.addService('products', `${service.url}/products`, [auth])
      await gateway.admin('POST', '/consumers', { username: 'eddie' })
      await gateway.admin('POST', '/consumers/eddie/key-auth', { key: 'eddies-key' })
      const parts = [
        {
          name: 'products',
          path: '/products/by/{user.id}?q={query.q}',
          optional: true,
          fallback: '[]',
          pick: 'items',
        },
        { name: 'user', path: '/users/me' },
      ]
      await declare('profile', { parts, timeout_ms: 1_500 })
      await declare('loop', { parts: [{ name: 'again', path: '/loop' }] })
    })
    after(async () => {
      await gateway.close()
      await service.close()
    })
    beforeEach(() => {
      seen = []
      behave = () => false
    })

    /** A route without a service: the aggregate is its answer. */
    async function declare(name: string, config: object): Promise<void> {
      await gateway.admin('POST', '/routes', { name, paths: [`/${name}`] })
      await gateway.admin('POST', `/routes/${name}/plugins`, { name: 'aggregate', config })
    }

    async function ask(path: string, init: RequestInit = {}) {
      const headers = { apikey: 'eddies-key', 'x-mine': 'yes', ...init.headers }
      const answer = await fetch(gateway.proxyUrl + path, { ...init, headers })
      const text = await answer.text()
      return { status: answer.status, headers: answer.headers, body: (text ? JSON.parse(text) : {}) as Body }
    }

    it('answers from several requests, with the credentials of the client', async () => {
      const { status, body, headers } = await ask('/profile?q=a%26b')
      assert.equal(status, 200)
      assert.deepEqual(body, {
        user: { id: 'u 1', name: 'Ada' },
        products: ['/products/by/u%201?q=a%26b'],
        errors: [],
      })
      assert.match(String(headers.get('content-type')), /^application\/json/)
      assert.equal(seen.length, 2)
      for (const { headers: received } of seen) {
        assert.equal(received['x-consumer-username'], 'eddie')
        assert.equal(received['x-mine'], 'yes')
      }
    })

    it('lets Kong’s plugins decide for each part', async () => {
      const answer = await ask('/profile?q=1', { headers: { apikey: 'wrong' } })
      assert.deepEqual([answer.status, answer.body.part], [401, 'user'])
      assert.match(String(answer.headers.get('www-authenticate')), /^Key/)
      assert.equal(seen.length, 0)
    })

    it('is whole without an optional part, and says what is missing', async () => {
      for (const [what, fails, status] of [
        ['500', response => json(response, {}, 500), 500],
        ['HTML', response => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'), 502],
        ['nothing', response => response.destroy(), 502],
        [
          'a cut body',
          response => response.writeHead(200, { 'content-length': 100 }).write('{', () => response.destroy()),
          502,
        ],
      ] as readonly (readonly [string, (response: ServerResponse) => unknown, number])[]) {
        behave = (url, response) => {
          if (!url.startsWith('/products')) return false
          fails(response)
          return true
        }
        const { status: whole, body } = await ask('/profile?q=1')
        assert.deepEqual([whole, body.products], [200, []], what)
        assert.deepEqual(
          body.errors?.map(one => [one.part, one.status]),
          [['products', status]],
          what,
        )
      }
    })

    it('bounds what a part may send', async () => {
      behave = (url, response) => {
        if (!url.startsWith('/products')) return false
        json(response, { items: ['x'.repeat(2_000_000)] })
        return true
      }
      const { body } = await ask('/profile?q=1')
      assert.deepEqual(
        body.errors?.map(one => one.part),
        ['products'],
      )
    })

    it('answers in its own time when a part never does, with the fallback', async () => {
      behave = url => url.startsWith('/products')
      const { status, body } = await ask('/profile?q=1')
      assert.equal(status, 200)
      assert.deepEqual(
        body.errors?.map(one => [one.part, one.status]),
        [['products', 504]],
      )
    })

    it('fails with a required part, as that did', async () => {
      behave = (url, response) => {
        if (!url.startsWith('/users')) return false
        json(response, { secret: 'of the service' }, 404)
        return true
      }
      const { status, body } = await ask('/profile?q=1')
      assert.equal(status, 404)
      assert.deepEqual([body.part, body.detail], ['user', 'The part user was refused with 404.'])
    })

    it('puts an entry in errors where the request lacks what an optional part asks for', async () => {
      const { status, body } = await ask('/profile')
      assert.equal(status, 200)
      assert.deepEqual(
        body.errors?.map(one => [one.part, one.status]),
        [['products', 400]],
      )
    })

    it('answers HEAD like GET, and nothing else', async () => {
      const head = await ask('/profile?q=1', { method: 'HEAD' })
      assert.deepEqual([head.status, head.body], [200, {}])
      const post = await ask('/profile?q=1', { method: 'POST', body: '{}' })
      assert.deepEqual([post.status, post.headers.get('allow')], [405, 'GET, HEAD'])
    })

    it('takes no slot of the subject that waits for its parts, and shows in the log data what they are', async () => {
      const limits = [{ name: 'hour', requests: 1_000, per: 3_600 }]
      const qos = { default_tier: 'one', tiers: { one: { limits, concurrency: 1 } } }
      await gateway.addService('narrow', `${service.url}/users/me`, [
        { name: 'sluice', config: { qos } },
        { name: 'witness', config: {} },
      ])
      await gateway.admin('POST', '/services/narrow/routes', { name: 'wide', paths: ['/wide'] })
      const parts = [
        { name: 'a', path: '/narrow' },
        { name: 'b', path: '/narrow' },
      ]
      await gateway.admin('POST', '/routes/wide/plugins', { name: 'aggregate', config: { parts } })
      marks.length = 0
      const { status, body } = await ask('/wide')
      assert.deepEqual([status, body.detail], [200, undefined])
      // The route belongs to the service: the client's own request is there, too.
      await until(() => marks.length === 3)
      assert.equal(marks.filter(mark => mark === undefined).length, 1)
      for (const mark of marks.filter(Boolean))
        assert.deepEqual(mark, { purpose: 'part', client_ip: '127.0.0.1' })
    })

    it('does not go round in circles', async () => {
      const { status, body } = await ask('/loop')
      assert.deepEqual([status, body.part], [508, 'again'])
    })

    it('takes the first of an argument that stands twice, and a group of the path', async () => {
      await gateway.admin('POST', '/routes', { name: 'grouped', paths: ['~/grouped/(?<id>[^/]+)$'] })
      const parts = [{ name: 'a', path: '/products/{capture.id}?q={query.q}' }]
      await gateway.admin('POST', '/routes/grouped/plugins', { name: 'aggregate', config: { parts } })
      const { body } = await ask('/grouped/one?q=1&q=2')
      assert.deepEqual(body.a, { items: ['/products/one?q=1'] })
    })

    it('is one of at most ten parts, with names that can stand in JSON as they are', async () => {
      const named = (count: number, name = 'p') =>
        Array.from({ length: count }, (_, n) => ({ name: `${name}${n}`, path: '/products' }))
      for (const parts of [
        [],
        named(11),
        named(1, 'P'),
        named(1, '"'),
        [{ ...named(1)[0], needs: Array.from({ length: 11 }, () => 'p0') }],
      ])
        await assert.rejects(
          gateway.admin('POST', '/routes/loop/plugins', { name: 'aggregate', config: { parts } }),
          /400 .*"parts"/,
        )
      await declare(`ten-${protocol.slice(0, 3)}`, { parts: named(10) })
      const { status, body } = await ask(`/ten-${protocol.slice(0, 3)}`)
      assert.deepEqual([status, Object.keys(body).length], [200, 11])
    })

    it('refuses a configuration with the name of its field', async () => {
      await declare('wrong', { parts: [{ name: 'a', path: '/{b.id}' }] })
      const { status } = await ask('/wrong')
      assert.equal(status, 500)
      assert.ok(gateway.log.some(line => /parts\[0\]\.needs: there is no part b/.test(JSON.stringify(line))))
    })
  })

describe('aggregate without a way to Kong’s proxy', () => {
  for (const missing of ['SLUICE_PROXY_URL', 'SLUICE_LOOPBACK_SECRET'])
    it(`answers no request, and says in the log what is missing, without ${missing}`, async () => {
      const { [missing]: _, ...env } = {
        SLUICE_PROXY_URL: 'http://127.0.0.1:1',
        SLUICE_LOOPBACK_SECRET: 'a secret of the tests, at least 32 characters',
      } as Record<string, string>
      const gateway = await startEdgeGateway({ plugins: [aggregate], env })
      try {
        await gateway.admin('POST', '/routes', { name: 'whole', paths: ['/whole'] })
        const config = { parts: [{ name: 'a', path: '/a' }] }
        await gateway.admin('POST', '/routes/whole/plugins', { name: 'aggregate', config })
        assert.equal((await fetch(`${gateway.proxyUrl}/whole`)).status, 500)
        assert.ok(gateway.log.some(line => /aggregate needs SLUICE_PROXY_URL/.test(JSON.stringify(line))))
      } finally {
        await gateway.close()
      }
    })
})
