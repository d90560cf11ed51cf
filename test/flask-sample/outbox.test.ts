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
import { until } from '../support/until.ts'

const QUEUE = 'sample.events.all'

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

  const untilSent = () =>
    until('the outboxes are empty', async () => {
      const query = 'select (select count(*) from users.outbox) + (select count(*) from products.outbox) as n'
      return Number((await database.query(query)).rows[0].n) === 0
    })

  it('tell what became true, under ids of their own, and no secret', async () => {
    const events = await listen(platform.rabbit.url)
    const user = await newUser(platform)
    const { id } = (await create()).body
    const product = { as: 'ada', method: 'PATCH', body: { stock: 3 } }
    await call(platform, 'products', `/products/${id}`, product)
    await call(platform, 'products', `/products/${id}`, { as: 'ada', method: 'DELETE' })
    const about = (subject: string) =>
      events.found.filter(message => !message.fields.redelivered && read(message).subject === subject)
    await until(
      'all have come',
      () => about(`products/${id}`).length >= 3 && about(`users/${user.id}`).length > 0,
    )
    await events.close()
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
    const grow = (by: number) => {
      const target = acknowledged.length + by
      return until('products are created', () => acknowledged.length >= target)
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

async function listen(url: string): Promise<{ found: ConsumeMessage[]; close(): Promise<void> }> {
  const connection = await connect(url)
  const channel = await connection.createChannel()
  const found: ConsumeMessage[] = []
  const { queue } = await channel.assertQueue('', { exclusive: true })
  await channel.bindQueue(queue, 'sample.events', '#')
  await channel.consume(queue, message => message && found.push(message), { noAck: true })
  return { found, close: () => connection.close() }
}

const drain = async (url: string): Promise<Event[]> => (await drainQueue(url, QUEUE)).map(read)
