import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect as connectTo } from 'node:net'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { createServer as createTlsServer } from 'node:tls'
import { type ChannelModel, connect } from 'amqplib'
import { createRabbitSink } from '../../events/rabbitmq/sink.ts'
import { DEAD_QUEUE, EXCHANGE, QUEUE } from '../../events/rabbitmq/topology.ts'
import type { Sink, SinkRecord } from '../../events/sink.ts'
import { createLogger } from '../../foundation/log.ts'
import { makeCertificates } from '../support/certificates.ts'
import { makeFolder } from '../support/folder.ts'
import { recordLogs } from '../support/logs.ts'
import { drainQueue } from '../support/queue.ts'
import { rabbitControl } from '../support/rabbit-control.ts'
import { borrowedRabbit, type Service, START_MS } from '../support/services.ts'
import { until } from '../support/until.ts'
import { makeEvents, makeRecords, recordOf } from './records.ts'

const log = createLogger('silent')
const forEver = new AbortController().signal

describe('the RabbitMQ sink', () => {
  let rabbit: Service
  let connection: ChannelModel
  let sink: Sink

  before(async function () {
    this.timeout(START_MS)
    rabbit = await borrowedRabbit()
  })

  beforeEach(async () => {
    connection = await connect(rabbit.url)
    connection.on('error', () => {})
    sink = createRabbitSink({ url: rabbit.url, log, confirmTimeoutMs: 1_000 })
  })
  afterEach(async () => {
    await sink.close()
    await connection.close().catch(() => {})
  })

  const drain = (queue: string = QUEUE) => drainQueue(rabbit.url, queue)

  /** As the relay does it: a broker that has just started refuses messages until its queues have a leader. */
  async function storeAgain(records: readonly SinkRecord[]) {
    for (let attempt = 0; ; attempt++)
      try {
        return await sink.store(records, forEver)
      } catch (error) {
        if (attempt === 100) throw error
        await sleep(100)
      }
  }

  it('publishes an event as it is, with its id and its type', async () => {
    const [event] = makeEvents(1)
    await sink.store([recordOf(event!)], forEver)
    const [message, ...others] = await drain()
    assert.equal(others.length, 0)
    assert.deepEqual(JSON.parse(message!.content.toString()), event)
    assert.equal(message!.fields.exchange, EXCHANGE)
    assert.equal(message!.fields.routingKey, event!.type)
    const { messageId, contentType, deliveryMode, type, timestamp } = message!.properties
    assert.deepEqual(
      { messageId, contentType, deliveryMode, type, timestamp },
      {
        messageId: event!.id,
        contentType: 'application/cloudevents+json',
        deliveryMode: 2,
        type: event!.type,
        timestamp: Math.floor(Date.parse(event!.time) / 1000),
      },
    )
  })

  it('keeps the order of a batch', async () => {
    const records = makeRecords(1_000)
    await sink.store(records, forEver)
    assert.deepEqual(
      (await drain()).map(message => message.properties.messageId),
      records.map(record => record.id),
    )
  })

  it('does not count a message as safe that no queue has taken, and mends the topology', async () => {
    await sink.store(makeRecords(1), forEver)
    const channel = await connection.createChannel()
    await channel.deleteQueue(QUEUE)
    await channel.close()
    const records = makeRecords(3)
    await assert.rejects(sink.store(records, forEver), /no queue is bound/)
    await sink.store(records, forEver)
    assert.equal((await drain()).length, 3)
  })

  it('passes what a consumer rejects to the dead-letter queue', async () => {
    await sink.store(makeRecords(1), forEver)
    const channel = await connection.createChannel()
    const message = await channel.get(QUEUE)
    assert.ok(message)
    channel.reject(message, false)
    await channel.close()
    // The broker moves it in its own time.
    let dead: unknown[] = []
    await until('it is moved', async () => {
      dead = await drain(DEAD_QUEUE)
      return dead.length > 0
    })
    assert.equal(dead.length, 1)
  })

  it('opens a new channel after the broker has closed its connection', async function () {
    this.timeout(START_MS)
    await sink.store(makeRecords(1), forEver)
    // RabbitMQ 3.10 writes down a new quorum queue within about a second; killed before that, it never has a leader.
    await sleep(2_000)
    await rabbit.restart()
    const records = makeRecords(5)
    await storeAgain(records)
    connection = await connect(rabbit.url)
    const ids = (await drain()).map(message => message.properties.messageId)
    for (const record of records) assert.ok(ids.includes(record.id))
  })

  it('gives up a broker that is frozen, and sends only what was not confirmed', async function () {
    this.timeout(START_MS)
    await storeAgain(makeRecords(1))
    await drain()
    const records = makeRecords(4)
    await sink.store(records.slice(0, 2), forEver)
    await rabbit.pause()
    try {
      await assert.rejects(sink.store(records, forEver), /has not confirmed for 1000 ms/)
    } finally {
      await rabbit.resume()
    }
    await storeAgain(records)
    const ids = (await drain()).map(message => message.properties.messageId)
    // What the broker took while it was frozen may be there twice; what it had confirmed is there once.
    for (const [i, { id }] of records.entries()) {
      const copies = ids.filter(each => each === id).length
      assert.ok(i < 2 ? copies === 1 : copies >= 1, `${copies} copies of record ${i}`)
    }
  })

  it('gives up a broker that is frozen once it is told to stop, and sends nothing after that', async function () {
    this.timeout(START_MS)
    const patient = createRabbitSink({ url: rabbit.url, log, confirmTimeoutMs: 1e9 })
    const stop = new AbortController()
    try {
      await storeAgain(makeRecords(1))
      await patient.store(makeRecords(1), stop.signal)
      await drain()
      await rabbit.pause()
      const storing = assert.rejects(patient.store(makeRecords(2), stop.signal), /the process ends/)
      await setImmediate()
      stop.abort()
      await storing
      await rabbit.resume()
      await drain()
      await assert.rejects(patient.store(makeRecords(1), stop.signal), { name: 'AbortError' })
      assert.deepEqual(await drain(), [])
    } finally {
      await rabbit.resume()
      await patient.close()
    }
  })

  it('waits for a broker that is out of memory, however long, and sends nothing twice', async function () {
    this.timeout(4 * START_MS)
    const control = rabbitControl(rabbit)
    await storeAgain(makeRecords(1))
    await drain()
    const logs = recordLogs()
    const patient = createRabbitSink({ url: rabbit.url, log: logs.logger, confirmTimeoutMs: 3_000 })
    const records = makeRecords(20)
    try {
      await control('set_vm_memory_high_watermark', 'absolute', '1MB')
      let stored = false
      const storing = patient.store(records, forEver).then(() => {
        stored = true
      })
      await until('the broker blocks', () => logs.text().includes('RabbitMQ blocks publishers'))
      await sleep(4_000) // longer than a broker may take that does not say so
      assert.equal(stored, false)
      await control('set_vm_memory_high_watermark', '0.4')
      await storing
    } finally {
      await control('set_vm_memory_high_watermark', '0.4')
      await patient.close()
    }
    assert.match(logs.text(), /RabbitMQ accepts messages again/)
    assert.deepEqual(
      (await drain()).map(message => message.properties.messageId),
      records.map(record => record.id),
    )
  })

  it('speaks TLS, and only with a broker whose certificate its authority has signed', async () => {
    const folder = makeFolder()
    const certificates = makeCertificates(folder.path)
    const port = Number(new URL(rabbit.url).port)
    const server = createTlsServer(
      { key: readFileSync(certificates.key), cert: readFileSync(certificates.certificate) },
      socket => {
        const to = connectTo(port, '127.0.0.1')
        socket.pipe(to).pipe(socket)
        for (const end of [socket, to])
          end.on('error', () => [socket, to].forEach(each => void each.destroy()))
      },
    )
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    try {
      const url = new URL(rabbit.url.replace('amqp:', 'amqps:'))
      url.port = String((server.address() as AddressInfo).port)
      const open = (authority: string) =>
        createRabbitSink({ url: `${url.href}?cacertfile=${encodeURIComponent(authority)}`, log })
      const right = open(certificates.authority)
      await right.store(makeRecords(2), forEver)
      await right.close()
      assert.equal((await drain()).length, 2)
      await assert.rejects(open(certificates.otherAuthority).store(makeRecords(1), forEver), /certificate/)
    } finally {
      server.close()
      folder.remove()
    }
  })

  it('says in plain words what a broker refuses', async () => {
    const wrong: readonly (readonly [changes: Partial<URL>, reason: RegExp])[] = [
      [{ pathname: '/nope' }, /the virtual host "nope" does not exist, or the user \w+ has no/],
      [{ password: 'planted' }, /the broker refuses the user \w+ or its password/],
      [{ protocol: 'amqps:' }, /does not speak TLS/],
    ]
    for (const [changes, reason] of wrong) {
      const url = Object.assign(new URL(rabbit.url), changes)
      const refused = createRabbitSink({ url: url.href, log })
      await assert.rejects(refused.store(makeRecords(1), forEver), (error: Error) => {
        assert.match(error.message, reason)
        assert.doesNotMatch(error.message, /planted/)
        return true
      })
      await refused.close()
    }
  })

  it('does not show the password of a broker that it can not reach', async () => {
    const lost = createRabbitSink({ url: 'amqp://u:planted@127.0.0.1:1', log })
    await assert.rejects(
      lost.store(makeRecords(1), forEver),
      (error: Error) => !/planted/.test(`${error} ${error.stack}`),
    )
    await lost.close()
  })
})
