import assert from 'node:assert/strict'
import { definePlugin, type LoopbackOrigin, Type } from '../../../sdk/sdk.ts'
import { type Harness, startHarness } from '../../../testing/harness.ts'

const seen: (LoopbackOrigin | undefined)[] = []
let stamp: string | undefined

const caller = definePlugin({
  name: 'caller',
  version: '1.0.0',
  priority: 1,
  deadlineMs: { access: 10_000 },
  config: Type.Object({}),
  phases: {
    async access(kong) {
      stamp = await kong.request.getHeader('sluice-loopback')
      const origin = await kong.loopbackOrigin()
      // Another plugin asks again.
      seen.push(origin, await kong.loopbackOrigin())
      const path = await kong.request.getPath()
      if (path === '/inner') return
      if (path === '/wrong') await kong.loopback({ purpose: 'part', target: 'http://169.254.169.254/' })
      const target = path === '/endless' ? '/endless' : '/inner?x=1&y=a%20b'
      const answer = await kong.loopback({ purpose: 'part', target, timeoutMs: 5000 })
      kong.response.exit(answer.status, answer.body, {
        'x-content-type': String(answer.headers['content-type']),
      })
    },
  },
})

for (const protocol of ['ProtoBuf:1', 'MsgPack:1'] as const)
  describe(`a call through Kong's own proxy over ${protocol}`, function () {
    this.timeout(20_000)
    let kong: Harness
    const upstreamSaw: { path: string; headers: Record<string, unknown> }[] = []

    before(async () => {
      kong = await startHarness(caller, {
        protocol,
        consumer: { username: 'eddie' },
        upstream: ({ path, headers }) => {
          upstreamSaw.push({ path, headers })
          return { body: '{"inner":true}' }
        },
      })
    })
    beforeEach(() => {
      seen.length = 0
      upstreamSaw.length = 0
    })
    after(() => kong.close())

    const headers = () => ({
      apikey: kong.apikey,
      host: 'shop.example',
      'if-none-match': '"x"',
      cookie: 'a=1; b=2',
    })

    it('takes the client’s credentials and Host along, and its answer comes as it was sent', async () => {
      const answer = await kong.request('/outer', { headers: headers() })
      assert.deepEqual([answer.status, answer.body], [200, '{"inner":true}'])
      assert.equal(answer.headers['x-content-type'], 'application/json')
      assert.equal(upstreamSaw.length, 1)
      const [inner] = upstreamSaw
      assert.equal(inner!.path, '/inner?x=1&y=a%20b')
      assert.equal(inner!.headers['x-forwarded-host'], 'shop.example')
      assert.equal(inner!.headers['x-consumer-username'], 'eddie')
      assert.equal(inner!.headers.cookie, 'a=1; b=2')
      assert.equal(inner!.headers['if-none-match'], undefined)
      assert.equal(inner!.headers['sluice-loopback'], undefined, 'the stamp is taken off')
    })

    it('takes fields along that are no ASCII, byte by byte, and is recognised with them', async () => {
      // Bytes of UTF-8, as Node.js sends characters of Latin-1.
      const cookie = Buffer.from('name=jürgen; price=5 €').toString('latin1')
      const answer = await kong.request('/outer', { headers: { ...headers(), cookie } })
      assert.equal(answer.status, 200)
      assert.equal(upstreamSaw[0]?.headers.cookie, cookie)
      assert.equal(seen.at(-1)?.purpose, 'part')
    })

    it('is recognised by all plugins on its way, once', async () => {
      await kong.request('/outer', { headers: headers() })
      const origin = { purpose: 'part', clientIp: '127.0.0.1', depth: 1 }
      assert.deepEqual(seen, [undefined, undefined, origin, origin])
      const used = stamp!
      seen.length = 0
      await kong.request('/inner?x=1&y=a%20b', { headers: { ...headers(), 'sluice-loopback': used } })
      assert.deepEqual(seen, [undefined, undefined], 'a stamp that was used before')
    })

    it('can not be pretended', async () => {
      await kong.request('/inner', { headers: { ...headers(), 'sluice-loopback': 'YSBiIGM.c2ln' } })
      assert.deepEqual(seen, [undefined, undefined])
      assert.equal(upstreamSaw[0]!.headers['sluice-loopback'], undefined)
    })

    it('leads to paths only, and not round in circles', async () => {
      assert.equal((await kong.request('/wrong', { headers: headers() })).status, 503)
      assert.equal((await kong.request('/endless', { headers: headers() })).status, 503)
      assert.deepEqual([...new Set(seen.map(origin => origin?.depth))], [undefined, 1, 2, 3])
      assert.ok(kong.log.some(({ reason }) => /target must be a path/.test(String(reason))))
    })
  })
