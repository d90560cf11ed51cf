/**
 * Real services for tests. `useX` starts an instance of the caller's own, which it may pause and kill and must
 * close; `sharedX` gives the one instance of the mocha process, ended behind the last test.
 *
 * A first start on a machine may fetch the program, so give the hook that calls it `START_MS`.
 */
import { randomBytes } from 'node:crypto'
import { connect as connectRabbit } from 'amqplib'
import pg from 'pg'
import { DEAD_EXCHANGE, DEAD_QUEUE, EXCHANGE, QUEUE } from '../../events/rabbitmq/topology.ts'
import { findService } from '../../ops/local/find.ts'
import { type Sample, startSample } from '../../ops/local/sample.ts'
import type { Service, ServiceKind } from '../../ops/local/service.ts'
import { atEnd } from './at-end.ts'

export type { Sample } from '../../ops/local/sample.ts'
export type { Service } from '../../ops/local/service.ts'

/** Time-out for a hook that starts a service, milliseconds. */
export const START_MS = 180_000

const use = (kind: ServiceKind) => findService(kind, { variables: 'SLUICE_TEST_', alone: true })

export const useRedis = (): Promise<Service> => use('redis')
export const usePostgres = (): Promise<Service> => use('postgres')
export const useRabbit = (): Promise<Service> => use('rabbit')
export const useConsul = (): Promise<Service> => use('consul')

/** The dictionary of flask-sample/, on free ports, with its failure switch. */
export const useSample = (): Promise<Sample> => startSample()

export interface SharedPostgres extends Service {
  /** A new, empty database; resolves with its URL. */
  createDatabase(): Promise<string>
}

const shared = new Map<ServiceKind, Promise<Service>>()
const tormented = new Map<ServiceKind, Promise<Service>>()

function torment(kind: ServiceKind): Promise<Service> {
  const found = tormented.get(kind) ?? use(kind)
  tormented.set(kind, found)
  return found
}

function share(kind: ServiceKind): Promise<Service> {
  const found = shared.get(kind) ?? findService(kind, { variables: 'SLUICE_TEST_' })
  shared.set(kind, found)
  return found
}

/** Others use it too: keep to keys with a prefix of your own, and never flush, pause or kill it. */
export const sharedRedis = (): Promise<Service> => share('redis')
/** Others use it too: keep to a virtual set of exchange and queue names of your own. */
export const sharedRabbit = (): Promise<Service> => share('rabbit')

export async function sharedPostgres(): Promise<SharedPostgres> {
  const service = await share('postgres')
  return { ...service, createDatabase: () => createDatabase(service.url) }
}

/**
 * The one PostgreSQL of the mocha process that tests pause, kill and restart, with a new, empty database. Who borrows
 * it leaves it running.
 */
export async function borrowedPostgres(): Promise<Service> {
  const service = await torment('postgres')
  const url = await createDatabase(service.url)
  return Object.assign(Object.create(service) as Service, { url })
}

/** The same for RabbitMQ, without the exchanges and queues of who had it before. */
export async function borrowedRabbit(): Promise<Service> {
  const service = await torment('rabbit')
  const connection = await connectRabbit(service.url)
  const channel = await connection.createChannel()
  for (const queue of [QUEUE, DEAD_QUEUE]) await channel.deleteQueue(queue)
  for (const exchange of [EXCHANGE, DEAD_EXCHANGE]) await channel.deleteExchange(exchange)
  await connection.close()
  return service
}

async function createDatabase(server: string): Promise<string> {
  const name = `test_${randomBytes(6).toString('hex')}`
  const client = new pg.Client({ connectionString: server })
  await client.connect()
  try {
    await client.query(`CREATE DATABASE ${name}`)
  } finally {
    await client.end()
  }
  const url = new URL(server)
  url.pathname = `/${name}`
  return url.href
}

atEnd(async () => {
  const services = await Promise.allSettled([...shared.values(), ...tormented.values()])
  await Promise.all(
    services.map(result => (result.status === 'fulfilled' ? result.value.close() : undefined)),
  )
})
