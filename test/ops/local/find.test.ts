import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readlinkSync, statSync } from 'node:fs'
import { createConnection } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectAmqp } from 'amqplib'
import pg from 'pg'
import { findService } from '../../../ops/local/find.ts'
import { family, isAlive } from '../../../ops/local/processes.ts'
import type { Service } from '../../../ops/local/service.ts'
import {
  START_MS,
  sharedPostgres,
  sharedRabbit,
  sharedRedis,
  usePostgres,
  useRabbit,
  useRedis,
} from '../../support/services.ts'
import { until } from '../../support/until.ts'

const pingRedis = (url: string) => askRedis(url, `AUTH ${new URL(url).password}\r\nPING\r\n`)

async function askRedis(url: string, question: string): Promise<Buffer> {
  const { hostname, port } = new URL(url)
  const socket = createConnection(Number(port), hostname)
  try {
    socket.write(question)
    let answer = Buffer.alloc(0)
    // One line for each line that was asked.
    while (answer.toString().split('\r\n').length < question.split('\r\n').length)
      answer = Buffer.concat([answer, ((await once(socket, 'data')) as [Buffer])[0]])
    return answer
  } finally {
    socket.destroy()
  }
}

/** Long enough for an answer of what is not paused; a longer one would show no more. */
const silence = () => sleep(150, 'silence')

/** The numbers of the users that run the process and its children. */
const usersOf = (pid: number) => new Set(family(pid).map(member => statSync(`/proc/${member}`).uid))

describe('real services', function () {
  this.timeout(START_MS)

  it('has each of them once for the whole run', async () => {
    const [redis, postgres, rabbit] = await Promise.all([sharedRedis(), sharedPostgres(), sharedRabbit()])
    assert.equal((await sharedRedis()).url, redis.url)
    assert.equal((await sharedPostgres()).url, postgres.url)
    assert.equal((await sharedRabbit()).url, rabbit.url)
  })

  it('gives every caller of createDatabase a database of its own', async () => {
    const postgres = await sharedPostgres()
    const urls = await Promise.all([postgres.createDatabase(), postgres.createDatabase()])
    for (const url of urls) {
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      await client.query('CREATE TABLE only_here (id int)')
      await client.end()
    }
    assert.notEqual(urls[0], urls[1])
  })

  it('runs them as another user than root, and only on the loopback', async () => {
    const services = await Promise.all([sharedRedis(), sharedPostgres(), sharedRabbit()])
    for (const { kind, pid, url } of services) {
      assert.equal(new URL(url).hostname, '127.0.0.1', kind)
      if (pid !== undefined && process.getuid?.() === 0)
        assert.ok(!usersOf(pid).has(0), `${kind} runs as root`)
    }
  })

  describe('of its own', () => {
    let redis: Service
    let postgres: Service
    let rabbit: Service
    before(async () => {
      ;[redis, postgres, rabbit] = await Promise.all([useRedis(), usePostgres(), useRabbit()])
    })
    after(() => Promise.all([redis, postgres, rabbit].map(service => service?.close())))

    it('asks for a password, is silent while paused, and answers what waited when it is resumed', async () => {
      assert.match(String(await askRedis(redis.url, 'PING\r\n')), /NOAUTH/)
      assert.match(String(await pingRedis(redis.url)), /PONG/)
      await redis.pause()
      const waiting = pingRedis(redis.url)
      assert.equal(await Promise.race([waiting, silence()]), 'silence')
      await redis.resume()
      assert.match(String(await waiting), /PONG/)
    })

    it('pauses every session of PostgreSQL, though each leads a process group', async () => {
      const client = new pg.Client({ connectionString: postgres.url })
      await client.connect()
      await postgres.pause()
      const query = client.query('SELECT 1')
      assert.equal(await Promise.race([query, silence()]), 'silence')
      await postgres.resume()
      await query
      await client.end()
    })

    it('keeps what PostgreSQL committed over a kill, at the same URL', async () => {
      const write = new pg.Client({ connectionString: postgres.url })
      write.on('error', () => {})
      await write.connect()
      await write.query('CREATE TABLE kept AS SELECT 7 AS number')
      const members = postgres.pid === undefined ? [] : family(postgres.pid)
      await postgres.kill()
      assert.deepEqual(members.filter(isAlive), [])
      await postgres.restart()
      const read = new pg.Client({ connectionString: postgres.url })
      await read.connect()
      assert.deepEqual((await read.query('SELECT number FROM kept')).rows, [{ number: 7 }])
      await read.end()
    })

    // What RabbitMQ keeps is its own affair: a queue declared less than some seconds before a kill can be gone.
    it('has RabbitMQ back at the same URL after a kill, which closes every connection', async () => {
      const before = await connectAmqp(rabbit.url)
      before.on('error', () => {})
      const closed = new Promise(resolve => before.on('close', resolve))
      await rabbit.kill()
      await closed
      // A connection that the dying broker had not yet accepted is reset instead.
      await assert.rejects(connectAmqp(rabbit.url), /ECONNREFUSED|ECONNRESET/)
      await rabbit.restart()
      const after = await connectAmqp(rabbit.url)
      await after.createChannel()
      await after.close()
    })

    it('leaves no process and no file behind when it is closed', async () => {
      const services = [redis, postgres, rabbit]
      const pids = services.flatMap(({ pid }) => (pid === undefined ? [] : family(pid)))
      const folders = services.flatMap(folderOf)
      await Promise.all(services.map(service => service.close()))
      // RabbitMQ's helpers end when they notice that it has ended.
      await until('no process is left', () => !pids.some(isAlive))
      assert.deepEqual(folders.filter(existsSync), [])
    })
  })

  for (const [signal, kinds] of [
    ['SIGKILL', ['redis', 'postgres', 'rabbit']],
    ['SIGINT', ['redis', 'postgres']],
  ] as const)
    it(`ends them with the process that started them: ${signal}`, async () => {
      const find = new URL('../../../ops/local/find.js', import.meta.url).href
      const code = `import { findService } from '${find}'
        const kinds = ${JSON.stringify(kinds)}
        const options = { variables: 'SLUICE_TEST_', alone: true, ways: ['program', 'package'] }
        const all = await Promise.all(kinds.map(kind => findService(kind, options)))
        await all[0].pause()
        console.log(JSON.stringify(all.map(({ pid }) => pid)))`
      const parent = spawn(process.execPath, ['--input-type=module', '--eval', code], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const failed = once(parent, 'exit').then(([code]) => assert.fail(`it ended with ${code}`))
      const [line] = (await Promise.race([once(parent.stdout, 'data'), failed])) as [Buffer]
      const pids = JSON.parse(line.toString()) as number[]
      const everything = pids.flatMap(pid => family(pid))
      const folders = pids.flatMap(pid => folderOf({ pid }))
      parent.kill(signal)
      assert.equal(folders.length, kinds.length)
      assert.ok(everything.length > kinds.length)
      await failed.catch(() => {})
      await until('nothing is left', () => !everything.some(isAlive) && !folders.some(existsSync))
    })

  it('says for each way why it did not work', async () => {
    await assert.rejects(
      findService('redis', { variables: 'SLUICE_TEST_', alone: true, ways: ['environment'] }),
      /Redis is unavailable:\n {2}environment: SLUICE_TEST_REDIS_URL is not set/,
    )
  })
})

/** The temporary folder of a service, in or below which it works. */
function folderOf({ pid }: { pid?: number | undefined }): string[] {
  if (pid === undefined) return []
  const folder = /^.*\/sluice-(?:redis|postgres|rabbit)-\w+/.exec(readlinkSync(`/proc/${pid}/cwd`))?.[0]
  return folder ? [folder] : []
}
