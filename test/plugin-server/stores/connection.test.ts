import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { systemClock } from '../../../foundation/clock.ts'
import { createLogger, type Logger } from '../../../foundation/log.ts'
import { createMetrics } from '../../../foundation/metrics.ts'
import type { ChildGuard } from '../../../ops/local/child-guard.ts'
import { freePorts } from '../../../ops/local/ports.ts'
import { createStore } from '../../../plugin-server/stores/create.ts'
import type { Store } from '../../../sdk/store.ts'
import { makeCertificates } from '../../support/certificates.ts'
import { counterScript } from '../../support/counter-script.ts'
import { makeFolder, type TestFolder } from '../../support/folder.ts'
import { type RecordedLogs, recordLogs } from '../../support/logs.ts'
import { findRedisProgram } from '../../support/redis-program.ts'
import { START_MS } from '../../support/services.ts'
import { until } from '../../support/until.ts'

const open = (...redisUrl: string[]) => openWith(createLogger('silent'), ...redisUrl)

const openWith = (log: Logger, ...redisUrl: string[]) =>
  createStore({ redisUrl, redisDeadlineMs: 500 }, { clock: systemClock, metrics: createMetrics(), log })

describe('the connection to Redis', () => {
  const running: ChildGuard[] = []
  afterEach(async function () {
    this.timeout(30_000)
    await Promise.all(running.splice(0).map(server => server.close()))
  })

  async function start(...servers: ChildGuard[]): Promise<void> {
    running.push(...servers)
    for (const server of servers) await server.start()
  }

  describe('over TLS', () => {
    let folder: TestFolder
    let certificates: ReturnType<typeof makeCertificates>
    let port: number
    beforeEach(async function () {
      this.timeout(START_MS)
      folder = makeFolder()
      certificates = makeCertificates(folder.path)
      ;[port = 0] = await freePorts(1)
      const program = await findRedisProgram()
      await start(
        program.prepare(
          {
            port: 0,
            'tls-port': port,
            'tls-cert-file': 'server.pem',
            'tls-key-file': 'server.key',
            'tls-ca-cert-file': 'server.pem',
            'tls-auth-clients': 'no',
            save: '""',
            requirepass: 'word',
          },
          [],
          {
            'server.pem': readFileSync(certificates.certificate, 'utf8'),
            'server.key': readFileSync(certificates.key, 'utf8'),
          },
        ),
      )
    })
    afterEach(() => folder.remove())

    const openBy = (authority: string) =>
      open(`rediss://:word@localhost:${port}?ca=${encodeURIComponent(authority)}`)

    it('speaks only to a server whose certificate its authority has signed', async () => {
      const good = openBy(certificates.authority)
      assert.ok(await good.ready(60_000))
      assert.equal(await good.run(counterScript, '{a}', [1, 1000]), 1)
      await good.close()
      const wary = openBy(certificates.otherAuthority)
      assert.equal(await wary.ready(700), false)
      await wary.close()
      assert.throws(() => openBy('/no/such/file'), /SLUICE_REDIS_URL: cannot read its ca/)
    })

    it('can be closed at any moment of the handshake', async () => {
      // What goes wrong here is an uncaught exception, by which mocha fails the test.
      for (let attempt = 0; attempt < 150; attempt++) {
        const hasty = openBy(attempt % 2 ? certificates.authority : certificates.otherAuthority)
        await sleep(attempt % 25)
        await hasty.close()
      }
    })
  })

  it('finds the master through sentinels, and the next one after a failover', async function () {
    this.timeout(START_MS)
    const [masterPort = 0, replicaPort = 0, sentinelPort = 0] = await freePorts(3)
    const program = await findRedisProgram()
    const master = program.prepare({ port: masterPort, save: '""', 'repl-diskless-sync-delay': 0 })
    await start(master)
    await start(program.prepare({ port: replicaPort, save: '""', replicaof: `127.0.0.1 ${masterPort}` }))
    await untilSaid(replicaPort, server => server.info(), 'master_link_status:up')
    await start(
      program.prepare(
        {
          port: sentinelPort,
          'sentinel monitor': `mymaster 127.0.0.1 ${masterPort} 1`,
          'sentinel down-after-milliseconds': 'mymaster 500',
          'sentinel failover-timeout': 'mymaster 3000',
        },
        ['--sentinel'],
      ),
    )
    const store = open(`redis+sentinel://127.0.0.1:${sentinelPort}/mymaster`)
    try {
      assert.ok(await store.ready(60_000))
      assert.equal(await store.run(counterScript, '{a}', [5, 60_000]), 5)
      await untilSaid(replicaPort, server => server.hget('{a}', 'n'), '5')
      // Refused until the sentinel knows enough of the replica.
      const failOver = (server: Redis) =>
        server.call('SENTINEL', 'FAILOVER', 'mymaster').catch((error: Error) => error.message)
      await untilSaid(sentinelPort, failOver, 'OK')
      const masterNow = (server: Redis) => server.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'mymaster')
      await untilSaid(sentinelPort, masterNow, String(replicaPort))
      await master.kill()
      await untilRuns(store)
      const count = await store.run(counterScript, '{a}', [1, 60_000])
      assert.ok(count >= 6, `${count}`)
    } finally {
      await store.close()
    }
  })

  it('keeps to the database of its URL, and speaks over a unix socket', async function () {
    this.timeout(START_MS)
    const [port = 0] = await freePorts(1)
    // Redis runs as a user of its own, who may write to this folder.
    const socket = path.join(tmpdir(), `sluice-test-${process.pid}-${port}.sock`)
    const program = await findRedisProgram()
    await start(program.prepare({ port, unixsocket: socket, unixsocketperm: 777, save: '""' }))
    const urls = [`redis://127.0.0.1:${port}/3`, `redis+unix://${socket}?db=3`, `redis://127.0.0.1:${port}`]
    const counts: number[] = []
    for (const url of urls) {
      const store = open(url)
      try {
        assert.ok(await store.ready(60_000), url)
        counts.push(await store.run(counterScript, '{a}', [1, 60_000]))
      } finally {
        await store.close()
      }
    }
    assert.deepEqual(counts, [1, 2, 1])
  })

  it('says once why it has no connection, and that it has one again', async function () {
    this.timeout(START_MS)
    const [port = 0, other = 0] = await freePorts(2)
    const program = await findRedisProgram()
    const server = program.prepare({ port, save: '""', requirepass: 'planted-word', databases: 16 })
    await start(server)
    const at = `127.0.0.1:${port}`
    await untilListening(at)
    const cases: [url: string, problem: RegExp][] = [
      [`redis://${at}`, /requires a password, and SLUICE_REDIS_URL has none \(NOAUTH/],
      [`redis://:planted-wrong@${at}`, /refuses the user or the password of SLUICE_REDIS_URL \(WRONGPASS/],
      [`redis://:planted-word@${at}/99`, /has no database 99, which SLUICE_REDIS_URL names/],
      [`redis://127.0.0.1:${other}`, new RegExp(`nothing listens for Redis at 127.0.0.1:${other} \\(`)],
      ['redis+unix:///no/such.sock', /there is no such unix socket/],
      ['redis://no.such.host.invalid', /cannot be resolved/],
    ]
    for (const [url, problem] of cases) {
      const logs = recordLogs()
      const store = openWith(logs.logger, url)
      try {
        await until(`a problem with ${url}`, () => problem.test(store.problem ?? ''))
        assert.equal(store.available, false)
        await assert.rejects(Promise.resolve(store.run(counterScript, '{a}', [1, 1000])))
        // Several attempts, one line.
        await sleep(500)
        const lines = linesOf(logs, 'Redis unavailable')
        assert.equal(lines.length, 1, logs.text())
        assert.match(lines[0]!.reason, problem)
        assert.ok(!logs.text().includes('planted'))
      } finally {
        await store.close()
      }
    }
    const logs = recordLogs()
    await server.kill()
    const store = openWith(logs.logger, `redis://:planted-word@${at}`)
    try {
      await until('a refused connection', () => /nothing listens/.test(store.problem ?? ''))
      await server.start()
      assert.ok(await store.ready(60_000))
      assert.equal(store.problem, undefined)
      assert.equal(linesOf(logs, 'connected to Redis').length, 1)
    } finally {
      await store.close()
    }
  })

  it('tells a user who may not run scripts, and does not come back while that is so', async function () {
    this.timeout(START_MS)
    const [port = 0] = await freePorts(1)
    const program = await findRedisProgram()
    await start(program.prepare({ port, save: '""', user: 'bob on >word ~* &* +@all -eval -evalsha' }))
    const store = open(`redis://bob:word@127.0.0.1:${port}`)
    try {
      assert.ok(await store.ready(60_000))
      const changes: boolean[] = []
      store.onAvailability(is => changes.push(is))
      await assert.rejects(Promise.resolve(store.run(counterScript, '{a}', [1, 1000])))
      assert.match(store.problem ?? '', /NOPERM/)
      await sleep(500)
      assert.deepEqual(changes, [false])
    } finally {
      await store.close()
    }
  })
})

/** Waits until a Redis answers there, be it by asking for a password. */
async function untilListening(at: string): Promise<void> {
  const store = open(`redis://:no-such-password@${at}`)
  try {
    await until('a Redis that answers', () => /WRONGPASS|NOAUTH/.test(store.problem ?? ''))
  } finally {
    await store.close()
  }
}

/** The lines of the log with this message. */
function linesOf(logs: RecordedLogs, message: string): { readonly reason: string }[] {
  const lines = logs.text().split('\n').filter(Boolean)
  return lines.map(line => JSON.parse(line)).filter(({ msg }) => msg === message)
}

async function untilRuns(store: Store): Promise<void> {
  for (let i = 0; i < 400; i++) {
    try {
      await store.run(counterScript, '{b}', [1, 60_000])
      return
    } catch {
      await store.ready(50)
    }
  }
  throw new Error('the store did not find the next master within 20 s')
}

/** Waits until what a server answers holds these words. */
async function untilSaid(
  port: number,
  ask: (server: Redis) => Promise<unknown>,
  words: string,
): Promise<void> {
  const server = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 50, enableReadyCheck: false })
  server.on('error', () => {})
  try {
    for (let i = 0; i < 800; i++) {
      if (String(await ask(server)).includes(words)) return
      await sleep(25)
    }
    throw new Error(`a server did not say ${words} within 20 s`)
  } finally {
    server.disconnect()
  }
}
