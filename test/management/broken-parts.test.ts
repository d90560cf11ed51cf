import assert from 'node:assert/strict'
import { type Channel, type ChannelModel, connect } from 'amqplib'
import pg from 'pg'
import { TIMING } from '../../management/changes/timing.ts'
import { DEAD_QUEUE, UNDO_QUEUE } from '../../management/changes/undo-queue.ts'
import { type RunningAdmin, startAdminServer } from '../support/admin-server.ts'
import { type Fate, type FaultyAdmin, startFaultyAdmin } from '../support/faulty-admin.ts'
import { type RecordedLogs, recordLogs } from '../support/logs.ts'
import { type RunningManager, startTestManager } from '../support/manager.ts'
import { rabbitControl } from '../support/rabbit-control.ts'
import { borrowedPostgres, borrowedRabbit, type Service, START_MS } from '../support/services.ts'
import { until } from '../support/until.ts'

const timing = { ...TIMING, leaseMs: 2_500, renewEveryMs: 400, settle: { waitMs: 50, forMs: 100 } }
const DROPPED = 'dropped a message that names no change'
const VHOST = 'sluice-undo'

describe('a manager whose RabbitMQ or PostgreSQL is broken', function () {
  this.timeout(600_000)
  let kong: RunningAdmin
  let faults: FaultyAdmin
  let postgres: Service
  let rabbit: Service
  let control: (...args: string[]) => Promise<string>
  let manager: RunningManager
  let logs: RecordedLogs
  before(async function () {
    this.timeout(3 * START_MS)
    ;[kong, postgres, rabbit] = await Promise.all([startAdminServer(), borrowedPostgres(), borrowedRabbit()])
    faults = await startFaultyAdmin(kong.url)
    control = rabbitControl(rabbit)
    await makeVhost()
    logs = recordLogs()
    manager = await startTestManager(
      {
        SLUICE_ADMIN_URL: faults.url,
        SLUICE_MANAGER_POSTGRES_URL: await ownRole(),
        SLUICE_AMQP_URL: vhostUrl(),
      },
      { timing, log: logs.logger },
    )
    await until('all is well', isWell)
    await until('its queue is there', async () => (await messagesIn(UNDO_QUEUE)) === 0)
  })
  after(async function () {
    this.timeout(3 * START_MS)
    await manager?.close()
    await control?.('delete_vhost', VHOST)
    await faults?.close()
    await kong?.close()
  })
  afterEach(() => {
    faults.decide = () => 'pass'
  })

  const call = (...args: Parameters<RunningManager['call']>) => manager.call(...args)
  const problems = async (): Promise<readonly string[]> => (await call('GET', '/readyz')).body.problems
  const isWell = async () => {
    const { status, body } = await call('GET', '/readyz')
    return status === 200 && body.problems.length === 0
  }
  const vhostUrl = () => {
    const url = new URL(rabbit.url)
    url.pathname = `/${VHOST}`
    return url.href
  }
  const makeVhost = async () => {
    await control('add_vhost', VHOST)
    await control('set_permissions', '-p', VHOST, new URL(rabbit.url).username, '.*', '.*', '.*')
  }
  /** With a connection of the test's own to the manager's virtual host. */
  const withChannel = async <T>(work: (channel: Channel) => Promise<T>): Promise<T> => {
    const connection: ChannelModel = await connect(vhostUrl())
    connection.on('error', () => {})
    try {
      const channel = await connection.createChannel()
      // A queue that is not there closes the channel: whoever asks for it hears so by the rejection.
      channel.on('error', () => {})
      const result = await work(channel)
      // Without it, what was sent last may be lost.
      await channel.close()
      return result
    } finally {
      await connection.close()
    }
  }
  const messagesIn = (queue: string) =>
    withChannel(async channel => (await channel.checkQueue(queue)).messageCount)
  let count = 0
  /** A change that Kong breaks off is undone. */
  const assertUndoing = async () => {
    const name = `s${++count}`
    faults.decide = (method, path) =>
      method === 'PUT' && path.startsWith('/routes/') ? { status: 500, body: { message: 'broken' } } : 'pass'
    const answer = await call('POST', '/v1/changes', {
      operations: [
        { action: 'create', kind: 'services', body: { name, host: 'h' } },
        { action: 'create', kind: 'routes', body: { name, paths: ['/h'], service: { name } } },
      ],
    })
    faults.decide = () => 'pass'
    const id = answer.headers.get('sluice-change') ?? assert.fail(answer.text)
    await until('the change is undone', async () => {
      const { state } = (await call('GET', `/v1/changes/${id}`)).body
      assert.notEqual(state, 'stuck')
      return state === 'undone'
    })
    assert.equal((await call('GET', `/v1/services/${name}`)).status, 404)
  }

  it('undoes past messages that name no change, and takes them out of the way', async () => {
    await withChannel(async channel => {
      const texts = ['', '{"id": 1}', '\u0000\u0001', '00000000-0000-4000-8000-000000000000']
      for (let i = 0; i < 100; i++)
        channel.sendToQueue(UNDO_QUEUE, Buffer.from(texts[i % 4] ?? ''), { persistent: true })
    })
    await assertUndoing()
    // A message whose consumer was lost before it was acknowledged comes again, and is told again.
    await until('they are told', () => logs.text().split(DROPPED).length - 1 >= 75)
    await until('they are gone', async () => (await messagesIn(UNDO_QUEUE)) === 0)
    assert.equal(await messagesIn(DEAD_QUEUE), 0)
  })

  it('undoes what a message was given back for a hundred times', async () => {
    const connection = await connect(vhostUrl())
    connection.on('error', () => {})
    try {
      const channel = await connection.createChannel()
      const id = '00000000-0000-4000-8000-000000000001'
      let deliveries = 0
      // Beside the manager's consumer: some deliveries come here.
      await channel.prefetch(1)
      await channel.consume(UNDO_QUEUE, message => {
        if (!message) return
        deliveries++
        channel.nack(message)
      })
      for (let i = 0; i < 50; i++) channel.sendToQueue(UNDO_QUEUE, Buffer.from(id), { persistent: true })
      await until('messages were given back a hundred times', async () => {
        channel.sendToQueue(UNDO_QUEUE, Buffer.from(id), { persistent: true })
        return deliveries >= 100
      })
      await assertUndoing()
    } finally {
      await connection.close()
    }
    await until('the queue is empty', async () => (await messagesIn(UNDO_QUEUE)) === 0)
    // Some have reached their limit, of which the manager tells until somebody has looked.
    await withChannel(channel => channel.purgeQueue(DEAD_QUEUE))
    await until('all is well', isWell)
  })

  it('undoes when its queue was deleted, and makes it anew', async () => {
    await withChannel(channel => channel.deleteQueue(UNDO_QUEUE))
    await assertUndoing()
    await until('the queue is there again', async () => (await messagesIn(UNDO_QUEUE)) === 0)
    await until('all is well', isWell)
  })

  it('undoes and says so when the virtual host is gone, and takes it when it is back', async () => {
    await control('delete_vhost', VHOST)
    await until('it says so', async () =>
      (await problems()).some(problem => /^RabbitMQ unavailable .*goes on from PostgreSQL/.test(problem)),
    )
    await assertUndoing()
    await makeVhost()
    await until('all is well', isWell)
    await until('the queue is there again', async () => (await messagesIn(UNDO_QUEUE)) === 0)
  })

  const alarms = [
    {
      ...{ name: 'memory', high: ['set_vm_memory_high_watermark', 'absolute', '1MB'] },
      low: ['set_vm_memory_high_watermark', '0.4'],
    },
    { name: 'disk', high: ['set_disk_free_limit', '1000000GB'], low: ['set_disk_free_limit', '1MB'] },
  ]
  for (const { name, high, low } of alarms)
    it(`undoes when the broker takes no messages for want of ${name}`, async () => {
      try {
        await control(...high)
        await until(
          'the alarm is raised',
          async () =>
            (await control('eval', 'rabbit_alarm:get_alarms().')).includes(`resource_limit,${name}`),
          { waitMs: 300_000 },
        )
        await assertUndoing()
      } finally {
        await control(...low)
      }
      await until('all is well', isWell)
    })

  const databaseName = () => new URL(postgres.url).pathname.slice(1)
  const asSuperuser = async (...statements: readonly string[]) => {
    const url = new URL(postgres.url)
    url.pathname = '/postgres'
    const client = new pg.Client({ connectionString: url.href })
    await client.connect()
    try {
      for (const statement of statements) await client.query(statement)
    } finally {
      await client.end()
    }
  }
  it('goes on when it loses the lease and takes it again while RabbitMQ answers nothing', async () => {
    await rabbit.pause()
    try {
      const client = new pg.Client({ connectionString: postgres.url })
      await client.connect()
      await client.query(
        `update sluice_manager.lease set epoch = epoch + 1, holder = null, expires_at = '-infinity'`,
      )
      await client.end()
      const answer = await call('POST', '/v1/consumers', { username: 'unheard' })
      const id = answer.headers.get('sluice-change') ?? assert.fail(answer.text)
      await until('the change is made', async () => {
        const { body } = await call('GET', `/v1/changes/${id}`)
        return body.state === 'applied'
      })
    } finally {
      await rabbit.resume()
    }
    await until('all is well', isWell)
    await assertUndoing()
  })

  /** Of the manager alone: what rules for others does not rule for a superuser. @returns its URL */
  const ownRole = async () => {
    const name = databaseName()
    await asSuperuser(
      `create role ${name} login password '${name}'`,
      `alter database ${name} owner to ${name}`,
    )
    const url = new URL(postgres.url)
    ;[url.username, url.password] = [name, name]
    return url.href
  }
  const endConnections = () =>
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${databaseName()}'`
  /** Whether the database of the manager can only be read; all connections are made anew. */
  const setReadOnly = (isReadOnly: boolean) =>
    asSuperuser(
      `alter database ${databaseName()} set default_transaction_read_only = ${String(isReadOnly)}`,
      endConnections(),
    )
  /** Whether there are connections left for the manager. */
  const setFull = (isFull: boolean) =>
    asSuperuser(`alter role ${databaseName()} connection limit ${isFull ? 0 : -1}`, endConnections())

  it('says that PostgreSQL can only be read, still reads, and goes on when it can be written', async () => {
    await call('POST', '/v1/consumers', { username: 'read' })
    await setReadOnly(true)
    try {
      await until('it says so', async () =>
        (await problems()).some(problem => /^changes wait: .*read-only transaction/.test(problem)),
      )
      const refused = await call('POST', '/v1/consumers', { username: 'unwritten' })
      assert.deepEqual([refused.status, refused.body.code], [503, 'SLUICE_MANAGER_DATABASE'], refused.text)
      assert.match(refused.body.detail, /read-only/)
      assert.equal((await call('GET', '/v1/consumers/read')).status, 200)
    } finally {
      await setReadOnly(false)
    }
    await until('all is well', isWell)
    assert.equal((await call('POST', '/v1/consumers', { username: 'written' })).status, 201)
    assert.ok(logs.text().split('"changes wait"').length < 12, 'the same is not told again and again')
  })

  /** What the manager was doing when PostgreSQL broke is undone when it is mended. */
  const assertUndoneAfter = async (
    setBroken: (isBroken: boolean) => Promise<void>,
    problem: RegExp,
    whileBroken = async () => {},
  ) => {
    let isBroken = false
    faults.decide = async (method, path): Promise<Fate> => {
      if (method === 'PUT' && path.startsWith('/services/') && !isBroken) {
        isBroken = true
        await setBroken(true)
      }
      return 'pass'
    }
    const answer = await call(
      'POST',
      '/v1/services',
      { name: 'midway', host: 'h' },
      { headers: { prefer: 'respond-async' } },
    )
    const id = answer.headers.get('sluice-change') ?? assert.fail(answer.text)
    try {
      await until('changes wait', async () => (await problems()).some(text => problem.test(text)))
      await whileBroken()
    } finally {
      await setBroken(false)
    }
    await until('the change is undone', async () => {
      const { status, body } = await call('GET', `/v1/changes/${id}`)
      return status === 200 && body.state === 'undone'
    })
    assert.deepEqual(
      kong.state.list('services').filter(({ name }) => name === 'midway'),
      [],
    )
    await until('all is well', isWell)
  }

  it('undoes what it was doing when PostgreSQL could not be written any more', () =>
    assertUndoneAfter(setReadOnly, /^changes wait/))

  it('undoes what it was doing when PostgreSQL had no connection left, and refuses everything meanwhile', async () => {
    await assertUndoneAfter(setFull, /^changes wait: .*too many connections/, async () => {
      const refused = await call('POST', '/v1/consumers', { username: 'unconnected' })
      assert.deepEqual([refused.status, refused.body.code], [503, 'SLUICE_MANAGER_DATABASE'], refused.text)
    })
    assert.equal((await call('POST', '/v1/consumers', { username: 'connected' })).status, 201)
    assert.deepEqual(
      kong.state.list('consumers').filter(({ username }) => username === 'unconnected'),
      [],
    )
  })
})
