import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ConsumeMessage, connect } from 'amqplib'
import pg from 'pg'
import { drainQueue } from '../support/queue.ts'
import {
  type CallOptions,
  call,
  newUser,
  type SamplePlatform,
  samplePlatform,
} from '../support/sample-platform.ts'
import { START_MS } from '../support/services.ts'

const QUEUE = 'sample.events.all'
const WITHIN_MS = 60_000

interface Event {
  readonly id: string
  readonly type: string
  readonly subject: string
  // biome-ignore lint/suspicious/noExplicitAny: the tests say what they expect
  readonly data: any
}

describe('the events of the sample services', () => {
  let platform: SamplePlatform
  let database: pg.Client
  before(async function () {
    this.timeout(START_MS)
    platform = await samplePlatform()
    database = new pg.Client({ connectionString: platform.databaseUrl })
    await database.connect()
  })
  after(() => database.end())

  const create = (options: CallOptions = {}) =>
    call(platform, 'products', '/products', {
      as: 'ada',
      body: { name: 'Tea', price_cents: 350 },
      ...options,
    })

  const untilSent = async () => {
    const deadline = performance.now() + WITHIN_MS
    for (;;) {
      const query = 'select (select count(*) from users.outbox) + (select count(*) from products.outbox) as n'
      if (Number((await database.query(query)).rows[0].n) === 0) return
      assert.ok(performance.now() < deadline, 'events stay in the outbox')
      await sleep(50)
    }
  }

  it('tell what became true, under ids of their own, and no secret', async () => {
    const events = await listen(platform.rabbit.url)
    const user = await newUser(platform)
    const { id } = (await create()).body
    const product = { as: 'ada', method: 'PATCH', body: { stock: 3 } }
    await call(platform, 'products', `/products/${id}`, product)
    await call(platform, 'products', `/products/${id}`, { as: 'ada', method: 'DELETE' })
    await untilSent()
    const messages = (await events.close()).filter(({ fields }) => !fields.redelivered)
    const about = (subject: string) => messages.filter(message => read(message).subject === subject)
    assert.deepEqual(
      about(`products/${id}`).map(({ fields }) => fields.routingKey),
      ['product.created.v1', 'product.updated.v1', 'product.deleted.v1'],
    )
    assert.deepEqual(
      about(`products/${id}`).map(message => read(message).data.stock),
      [0, 3, undefined],
    )
    const [created] = about(`users/${user.id}`)
    assert.equal(read(created!).type, 'user.created.v1')
    assert.equal(created!.properties.messageId, read(created!).id)
    assert.equal(created!.properties.contentType, 'application/cloudevents+json')
    assert.doesNotMatch(created!.content.toString(), /password|argon2/)
  })

  it('are not made by a change that changes nothing, nor by one that fails', async () => {
    const { id } = (await create()).body
    const change = (body: object, headers = {}) =>
      call(platform, 'products', `/products/${id}`, { as: 'ada', method: 'PATCH', body, headers })
    await change({ name: 'Tea' })
    await change({ name: 'Coffee' }, { 'if-match': '"9"' })
    await change({ stock: -1 })
    await untilSent()
    const types = (await drain(platform.rabbit.url)).filter(({ subject }) => subject === `products/${id}`)
    assert.deepEqual(
      types.map(({ type }) => type),
      ['product.created.v1'],
    )
  })

  it('are all on the queue though service and broker are killed under load', async function () {
    this.timeout(120_000)
    const name = randomUUID()
    const acknowledged: string[] = []
    let over = false
    const client = async () => {
      while (!over) {
        const answer = await create({ body: { name, price_cents: 1 } }).catch(() => undefined)
        if (answer?.status === 201) acknowledged.push(answer.body.id)
        // Nobody listens: that must not become a busy loop.
        else await sleep(20)
      }
    }
    const clients = Array.from({ length: 6 }, client)
    const grow = async (by: number) => {
      const target = acknowledged.length + by
      while (acknowledged.length < target) await sleep(5)
    }
    await grow(50)
    await platform.products.kill()
    await platform.products.restart()
    await grow(50)
    await platform.rabbit.kill()
    await grow(100)
    await platform.products.kill()
    await Promise.all([platform.products.restart(), platform.rabbit.restart()])
    await grow(50)
    over = true
    await Promise.all(clients)
    await untilSent()
    const events = (await drain(platform.rabbit.url)).filter(({ data }) => data.name === name)
    const told = new Set(events.map(({ data }) => data.id))
    const query = 'select id from products.products where name = $1'
    const kept = (await database.query(query, [name])).rows.map(({ id }) => id)
    assert.deepEqual(
      acknowledged.filter(id => !kept.includes(id)),
      [],
      'a client was told of products that are not there',
    )
    // Also those that a kill kept from being acknowledged.
    assert.deepEqual(
      kept.filter(id => !told.has(id)),
      [],
      'products without an event',
    )
    assert.deepEqual(
      [...told].filter(id => !kept.includes(id)),
      [],
      'events without a product',
    )
    // What came twice has the same message id both times.
    assert.equal(new Set(events.map(({ id }) => id)).size, told.size)
  })
})

function read(message: ConsumeMessage): Event {
  return JSON.parse(message.content.toString())
}

async function listen(url: string): Promise<{ close(): Promise<ConsumeMessage[]> }> {
  const connection = await connect(url)
  const channel = await connection.createChannel()
  const found: ConsumeMessage[] = []
  const { queue } = await channel.assertQueue('', { exclusive: true })
  await channel.bindQueue(queue, 'sample.events', '#')
  await channel.consume(queue, message => message && found.push(message), { noAck: true })
  return {
    async close() {
      while ((await channel.checkQueue(queue)).messageCount > 0) await sleep(10)
      await connection.close()
      return found
    },
  }
}

const drain = async (url: string): Promise<Event[]> => (await drainQueue(url, QUEUE)).map(read)
