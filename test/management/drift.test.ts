import assert from 'node:assert/strict'
import pg from 'pg'
import { TIMING, type Timing } from '../../management/changes/timing.ts'
import { type RunningAdmin, startAdminServer } from '../support/admin-server.ts'
import { type RunningManager, startFilledManager } from '../support/manager.ts'
import { START_MS, sharedPostgres } from '../support/services.ts'
import { until } from '../support/until.ts'

/** Changes by the manager and past it, side by side. */
const CHANGES = Number(process.env.SLUICE_TEST_DRIFT_CHANGES ?? 60)
const timing: Timing = { ...TIMING, driftEveryMs: 100, driftPauseFactor: 2 }

interface DriftEvent {
  readonly subject: string
  readonly data: { readonly action: string; readonly fields: readonly string[]; readonly adopted: boolean }
}

class DriftWorld {
  readonly kong: RunningAdmin
  readonly manager: RunningManager
  readonly #events: pg.Pool

  private constructor(kong: RunningAdmin, manager: RunningManager, events: pg.Pool) {
    this.kong = kong
    this.manager = manager
    this.#events = events
  }

  static async start(drift: 'adopt' | 'report', declarative = false): Promise<DriftWorld> {
    const kong = await startAdminServer({ declarative })
    const url = await (await sharedPostgres()).createDatabase()
    const manager = await startFilledManager(
      {
        SLUICE_ADMIN_URL: kong.url,
        SLUICE_POSTGRES_URL: url,
        SLUICE_MANAGER_POSTGRES_URL: url,
        SLUICE_MANAGER_DRIFT: drift,
      },
      { timing },
    )
    const world = new DriftWorld(kong, manager, new pg.Pool({ connectionString: url }))
    return world
  }

  async curl(method: string, path: string, body?: unknown): Promise<string> {
    const response = await fetch(this.kong.url + path, {
      method,
      ...(body !== undefined && {
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      }),
    })
    assert.ok(response.ok, `${method} ${path}: ${response.status}`)
    return response.status === 204 ? '' : String(((await response.json()) as { id: string }).id)
  }

  async events(): Promise<readonly DriftEvent[]> {
    const { rows } = await this.#events.query<DriftEvent>(
      `select subject, data from gateway_events where type = 'gateway.drift.detected.v1' order by id`,
    )
    return rows
  }

  async summaries(): Promise<readonly string[]> {
    return (await this.events()).map(({ subject, data }) => `${data.action} ${subject} ${data.fields}`)
  }

  /** Waits until Kong was read as a whole twice: what was there before the call has been found. */
  async readings(): Promise<void> {
    const asOf = async () => (await this.manager.call('GET', '/v1/services')).headers.get('sluice-as-of')
    for (let i = 0; i < 2; i++) {
      const before = await asOf()
      await until('Kong is read again', async () => (await asOf()) !== before)
    }
  }

  async close(): Promise<void> {
    await this.manager.close()
    await this.#events.end()
    await this.kong.close()
  }
}

describe('what was changed past the manager', function () {
  this.timeout(60_000)
  let world: DriftWorld
  const call = (...args: Parameters<RunningManager['call']>) => world.manager.call(...args)
  const start = (...args: Parameters<typeof DriftWorld.start>) =>
    async function (this: Mocha.Context) {
      this.timeout(START_MS)
      world = await DriftWorld.start(...args)
    }

  describe('where it is adopted', () => {
    before(start('adopt'))
    after(() => world?.close())

    it('is shown, and told with its fields and without secrets', async () => {
      const made = await call('POST', '/v1/services', { name: 'one', host: 'one.test' })
      const consumer = await call('POST', '/v1/consumers', { username: 'jason' })
      await world.curl('PATCH', '/services/one', { port: 99, tags: ['x'] })
      const key = await world.curl('POST', '/consumers/jason/key-auth', { key: 'secret-needle' })
      await until('the new port', async () => (await call('GET', '/v1/services/one')).body.port === 99)
      await until('the key', async () => (await call('GET', `/v1/key-auths/${key}`)).status === 200)
      await world.curl('DELETE', '/consumers/jason')
      await until(
        'the consumer is gone',
        async () => (await call('GET', '/v1/consumers/jason')).status === 404,
      )
      await until('all was told', async () => (await world.events()).length >= 4)
      assert.deepEqual((await world.summaries()).toSorted(), [
        `created keyauth_credentials/${key} `,
        `deleted consumers/${consumer.body.id} `,
        `deleted keyauth_credentials/${key} `,
        `updated services/${made.body.id} port,tags`,
      ])
      assert.equal(JSON.stringify(await world.events()).includes('needle'), false)
      assert.ok((await world.events()).every(({ data }) => data.adopted))
    })

    it('is no news of targets that discovery keeps', async () => {
      const told = (await world.events()).length
      await call('POST', '/v1/upstreams', { name: 'found' })
      const target = await world.curl('POST', '/upstreams/found/targets', {
        target: '10.0.0.1:80',
        tags: ['sluice-discovery'],
      })
      await until('the target', async () => (await call('GET', `/v1/targets/${target}`)).status === 200)
      await world.readings()
      assert.equal((await world.events()).length, told)
    })

    it('is exactly what was changed past it, while the manager changes others', async function () {
      this.timeout(60_000 + CHANGES * 1_000)
      const before = new Set(await world.summaries())
      const past: string[] = []
      const byCurl = async () => {
        for (let i = 0; i < CHANGES / 2; i++) {
          const id = await world.curl('POST', '/consumers', { username: `curl-${i}` })
          past.push(`created consumers/${id} `)
        }
      }
      const byManager = async () => {
        for (let i = 0; i < CHANGES / 6; i++) {
          const body = { name: `m-${i}`, host: 'm.test' }
          assert.equal((await call('POST', '/v1/services', body)).status, 201)
          assert.equal((await call('PATCH', `/v1/services/m-${i}`, { port: 1 + i })).status, 200)
          if (i % 2) assert.equal((await call('DELETE', `/v1/services/m-${i}`)).status, 204)
        }
      }
      await Promise.all([byCurl(), byManager()])
      await world.readings()
      await until('all was told', async () => (await world.events()).length >= before.size + past.length)
      const told = (await world.summaries()).filter(one => !before.has(one))
      assert.deepEqual(told.toSorted(), past.toSorted())
    })
  })

  describe('where it is reported', () => {
    before(start('report'))
    after(() => world?.close())

    const drift = async () => (await call('GET', '/v1/drift')).body.data
    const isListed = (id: string) => async () => (await drift()).some((one: { id: string }) => one.id === id)

    it('is listed, and the manager shows what it knew', async () => {
      const { body } = await call('POST', '/v1/services', { name: 'two', host: 'two.test' })
      await world.curl('PATCH', '/services/two', { port: 99 })
      await until('the drift is listed', isListed(body.id))
      const [found] = await drift()
      assert.deepEqual(
        [found.kind, found.label, found.action, found.fields, found.before.port, found.after.port],
        ['services', 'service two', 'updated', ['port'], 80, 99],
      )
      assert.equal((await call('GET', '/v1/services/two')).body.port, 80)
      await world.readings()
      await until('it was told', async () => (await world.events()).length > 0)
      assert.deepEqual(
        (await world.events()).map(({ data }) => data.adopted),
        [false],
        'told once',
      )
    })

    it('is taken over when an operator accepts it', async () => {
      const [found] = await drift()
      const accepted = await call('POST', `/v1/drift/${found.kind}/${found.id}/accept`)
      assert.equal(accepted.status, 202)
      await until('the new port', async () => (await call('GET', '/v1/services/two')).body.port === 99)
      assert.deepEqual(await drift(), [])
      const again = await call('POST', `/v1/drift/${found.kind}/${found.id}/accept`)
      assert.equal(again.status, 404)
    })

    it('is put back when an operator asks for it: what was changed, deleted and created', async () => {
      await call('POST', '/v1/consumers', { username: 'kept', tags: ['a'] })
      const { body: key } = await call('POST', '/v1/key-auths', {
        ...{ consumer: { username: 'kept' }, key: 'kept-key', ttl: 3_600 },
      })
      const { body: upstream } = await call('POST', '/v1/upstreams', { name: 'kept' })
      const { body: consumer } = await call('GET', '/v1/consumers/kept')
      await world.curl('PATCH', '/consumers/kept', { tags: ['b'], custom_id: 'c' })
      await world.curl('DELETE', `/key-auths/${key.id}`)
      const target = await world.curl('POST', `/upstreams/${upstream.id}/targets`, { target: '10.0.0.1:80' })
      for (const id of [consumer.id, key.id, target]) await until('it is listed', isListed(id))
      const restore = (path: string) => call('POST', `/v1/drift/${path}/restore`)
      for (const path of [`consumers/${consumer.id}`, `key-auths/${key.id}`, `targets/${target}`]) {
        const { body, text } = await restore(path)
        assert.equal(body.state, 'applied', text)
        assert.equal(text.includes('kept-key'), false)
        assert.ok(
          (await drift()).every((one: { id: string }) => !path.endsWith(one.id)),
          'it is over at once',
        )
      }
      const { tags, custom_id } = world.kong.state.get('consumers', consumer.id) ?? {}
      assert.deepEqual([tags, custom_id], [['a'], null])
      const back = world.kong.state.get('keyauth_credentials', key.id) as
        | { key: string; ttl: number }
        | undefined
      assert.equal(back?.key, 'kept-key')
      assert.ok(back.ttl > 3_000 && back.ttl <= 3_600, String(back.ttl))
      assert.equal(world.kong.state.get('targets', target), undefined)
      await until('nothing is listed', async () => (await drift()).length === 0)
      assert.equal((await restore(`consumers/${consumer.id}`)).status, 404)
    })

    it('says what cannot be put back', async () => {
      await call('POST', '/v1/consumers', { username: 'hashed' })
      const { body } = await call('POST', '/v1/basic-auths', {
        ...{ consumer: { username: 'hashed' }, username: 'hashed', password: 'one' },
      })
      await world.curl('DELETE', `/basic-auths/${body.id}`)
      await until('it is listed', isListed(body.id))
      const refused = await call('POST', `/v1/drift/basic-auths/${body.id}/restore`)
      assert.deepEqual([refused.status, refused.body.errors[0].code], [409, 'irreversible'])
      await call('POST', `/v1/drift/basic-auths/${body.id}/accept`)
      await until('nothing is listed', async () => (await drift()).length === 0)
    })

    it('is not listed any more when it was taken back', async () => {
      const id = await world.curl('POST', '/consumers', { username: 'passing' })
      await until('the drift is listed', isListed(id))
      await world.curl('DELETE', '/consumers/passing')
      await until('it is gone', async () => !(await isListed(id)()))
    })
  })

  describe('in a Kong without a database', () => {
    before(start('adopt', true))
    after(() => world?.close())

    it('is shown, and the manager changes nothing', async () => {
      await world.curl('POST', '/config', {
        _format_version: '3.0',
        services: [{ name: 'declared', host: 'h' }],
      })
      await until('the service', async () => (await call('GET', '/v1/services/declared')).status === 200)
      const refused = await call('POST', '/v1/services', { name: 'x', host: 'h' })
      assert.deepEqual([refused.status, refused.body.code], [503, 'SLUICE_MANAGER_READ_ONLY'])
      assert.match(refused.body.detail, /no database/)
      const plan = await call('POST', '/v1/services?dry_run=1', { name: 'x', host: 'h' })
      assert.equal(plan.status, 200, plan.text)
    })
  })
})
