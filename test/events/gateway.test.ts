import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'amqplib'
import pg from 'pg'
import { Pool } from 'undici'
import { QUEUE } from '../../events/rabbitmq/topology.ts'
import { type AnyGateway, useGateway } from '../support/any-gateway.ts'
import { makeFolder, type TestFolder } from '../support/folder.ts'
import { drainQueue } from '../support/queue.ts'
import { type ServerProcess, startServerProcess } from '../support/server-process.ts'
import { borrowedPostgres, borrowedRabbit, type Service, START_MS } from '../support/services.ts'
import { until } from '../support/until.ts'

const LANES = 16
const KEY = 'key-of-the-gateway-test'
interface Progress {
  sent: number
  /** Nothing is sent until it is kept. */
  held?: Promise<void>
}

/** With both sinks failing, and then with the plugin server killed too. */
const REQUESTS = { sinks: 6_000, kills: 2_000 }

/**
 * Requests through the gateway to an audited route, while what stands behind the audit fails. Only the local gateway:
 * a Kong elsewhere can't be given a plugin server that dies.
 */
describe('the audit of requests through the gateway', () => {
  let folder: TestFolder
  let postgres: Service
  let rabbit: Service
  let gateway: AnyGateway
  let server: ServerProcess
  let upstream: Server
  let pool: Pool

  const startServer = () =>
    startServerProcess(
      {
        SLUICE_SPOOL_DIR: path.join(folder.path, 'spool'),
        SLUICE_POSTGRES_URL: postgres.url,
        SLUICE_AMQP_URL: rabbit.url,
        SLUICE_LOG_LEVEL: 'silent',
      },
      { socket: gateway.socket },
    )

  before(async function () {
    this.timeout(START_MS)
    folder = makeFolder()
    ;[postgres, rabbit] = await Promise.all([borrowedPostgres(), borrowedRabbit()])
    gateway = await useGateway()
    server = await startServer()
    upstream = createServer((_, response) => response.end('{}'))
    await new Promise<void>(resolve => upstream.listen(0, '127.0.0.1', resolve))
    const admin = async (resource: string, body: unknown) => {
      const headers = { 'content-type': 'application/json' }
      const response = await fetch(`${gateway.adminUrl}${resource}`, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      })
      assert.ok(response.ok, `${resource}: ${response.status} ${await response.text()}`)
    }
    const { port } = upstream.address() as AddressInfo
    await admin('/consumers', { username: 'loaded' })
    await admin('/consumers/loaded/key-auth', { key: KEY })
    await admin('/services', { name: 'audited', url: `http://127.0.0.1:${port}` })
    await admin('/services/audited/routes', { name: 'audited', paths: ['/audited'] })
    await admin('/services/audited/plugins', { name: 'key-auth' })
    await admin('/services/audited/plugins', { name: 'key-auth-audit' })
    await gateway.settle()
    pool = new Pool(gateway.proxyUrl, { connections: LANES })
  })
  after(async function () {
    this.timeout(START_MS)
    await pool?.close()
    await gateway?.close()
    await server?.close()
    upstream?.closeAllConnections()
    upstream?.close()
    folder?.remove()
  })

  /** Sends requests, two of three with a right key; counts the answers by status. */
  async function send(count: number, progress: Progress): Promise<Map<number, number>> {
    const statuses = new Map<number, number>()
    let next = 0
    const lane = async () => {
      while (next < count) {
        const n = next++
        await progress.held
        const headers = n % 3 === 0 ? {} : { apikey: KEY }
        const { statusCode, body } = await pool.request({ path: `/audited/${n}`, method: 'GET', headers })
        await body.dump()
        statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1)
        progress.sent++
      }
    }
    await Promise.all(Array.from({ length: LANES }, lane))
    return statuses
  }

  async function counts(): Promise<{ rows: number; ids: number; requests: number }> {
    const client = new pg.Client({ connectionString: postgres.url })
    await client.connect()
    const { rows } = await client.query(
      `select count(*)::int as rows, count(distinct id)::int as ids, count(distinct data ->> 'request_id')::int as requests
         from gateway_events where type in ('key-auth.granted.v1', 'key-auth.denied.v1')`,
    )
    await client.end()
    return rows[0]
  }

  /** Longer than the longest pause of a relay. */
  const UNCHANGED = 60
  async function settled(enough: (rows: number) => boolean): Promise<Awaited<ReturnType<typeof counts>>> {
    let found = await counts()
    for (let same = 0; same < UNCHANGED && !enough(found.rows); ) {
      await sleep(250)
      const now = await counts()
      same = now.rows === found.rows ? same + 1 : 0
      found = now
    }
    return found
  }

  const reached = (progress: Progress, count: number) =>
    until(`${count} requests were sent`, () => progress.sent >= count)

  it('fails no request and loses no event while PostgreSQL and RabbitMQ are killed, frozen and restarted', async function () {
    this.timeout(240_000)
    const progress: Progress = { sent: 0 }
    const load = send(REQUESTS.sinks, progress)
    const at = (share: number) => reached(progress, REQUESTS.sinks * share)
    await at(0.15)
    await postgres.kill()
    await at(0.3)
    await Promise.all([postgres.restart(), rabbit.pause()])
    await at(0.45)
    await rabbit.resume()
    await rabbit.kill()
    await at(0.6)
    await rabbit.restart()
    await postgres.pause()
    await at(0.75)
    await postgres.resume()
    const statuses = await load
    const found = await settled(rows => rows >= REQUESTS.sinks)
    await untilQueued(REQUESTS.sinks)
    const messages = await drainQueue(rabbit.url, QUEUE)
    const audited = messages.filter(message =>
      /^key-auth\.(granted|denied)\./.test(message.fields.routingKey),
    )
    const ids = new Set(audited.map(message => message.properties.messageId))
    console.log(
      `      ${progress.sent} requests: ${[...statuses].map(([status, n]) => `${n} × ${status}`).join(', ')}
      in PostgreSQL ${found.rows} rows of ${found.requests} requests; on the queue ${audited.length} messages of ${ids.size} events`,
    )
    assert.deepEqual([...statuses.keys()].sort(), [200, 401], 'no request failed')
    assert.deepEqual(found, { rows: REQUESTS.sinks, ids: REQUESTS.sinks, requests: REQUESTS.sinks })
    assert.equal(ids.size, REQUESTS.sinks)
  })

  it('loses only what the kills of the plugin server cost, and has no event twice', async function () {
    this.timeout(240_000)
    const before = await counts()
    const progress: Progress = { sent: 0 }
    const load = send(REQUESTS.kills, progress)
    let kills = 0
    let sentAtKill = 0
    for (const share of [0.2, 0.4, 0.6, 0.8]) {
      await reached(progress, REQUESTS.kills * share)
      process.kill(server.pid, 'SIGKILL')
      sentAtKill = progress.sent
      kills++
      // What is under way meets no server; what comes later would only show how long a start takes.
      let release = () => {}
      progress.held = new Promise(resolve => {
        release = resolve
      })
      await server.close()
      server = await startServer()
      release()
    }
    const statuses = await load
    const found = await settled(rows => rows >= before.rows + REQUESTS.kills)
    const stored = found.rows - before.rows
    console.log(
      `      ${progress.sent} requests, plugin server killed ${kills} times: ${[...statuses].map(([status, n]) => `${n} × ${status}`).join(', ')}
      in PostgreSQL ${stored} rows; ${REQUESTS.kills - stored} log phases had no answer from a plugin server (in flight, or none was there)`,
    )
    assert.equal(found.rows, found.ids)
    assert.equal(found.rows, found.requests, 'no request has two rows')
    // How many log phases are under way at a kill depends on how busy the machine is; behind the last kill none is lost.
    const behindKills = REQUESTS.kills - sentAtKill - LANES
    assert.ok(
      stored >= behindKills,
      `only ${stored} were stored, of ${behindKills} behind the last kill alone`,
    )
  })

  /** The queue may be behind PostgreSQL. */
  async function untilQueued(count: number): Promise<void> {
    const connection = await connect(rabbit.url)
    const channel = await connection.createChannel()
    await until('all are on the queue', async () => (await channel.checkQueue(QUEUE)).messageCount >= count)
    await connection.close()
  }
})
