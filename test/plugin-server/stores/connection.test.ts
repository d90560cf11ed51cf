import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { systemClock } from '../../../foundation/clock.ts'
import { createLogger } from '../../../foundation/log.ts'
import { createMetrics } from '../../../foundation/metrics.ts'
import type { ChildGuard } from '../../../ops/local/child-guard.ts'
import { freePorts } from '../../../ops/local/ports.ts'
import { createStore } from '../../../plugin-server/stores/create.ts'
import type { Store } from '../../../sdk/store.ts'
import { makeCertificates } from '../../support/certificates.ts'
import { counterScript } from '../../support/counter-script.ts'
import { makeFolder } from '../../support/folder.ts'
import { findRedisProgram } from '../../support/redis-program.ts'
import { START_MS } from '../../support/services.ts'

const open = (...redisUrl: string[]) =>
  createStore(
    { redisUrl, redisDeadlineMs: 500 },
    { clock: systemClock, metrics: createMetrics(), log: createLogger('silent') },
  )

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

  it('speaks TLS, only to a server whose certificate its authority has signed', async function () {
    this.timeout(START_MS)
    const folder = makeFolder()
    try {
      const made = makeCertificates(folder.path)
      const [port = 0] = await freePorts(1)
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
            'server.pem': readFileSync(made.certificate, 'utf8'),
            'server.key': readFileSync(made.key, 'utf8'),
          },
        ),
      )
      const url = (authority: string) =>
        `rediss://:word@localhost:${port}?ca=${encodeURIComponent(authority)}`
      const good = open(url(made.authority))
      assert.ok(await good.ready(10_000))
      assert.equal(await good.run(counterScript, '{a}', [1, 1000]), 1)
      await good.close()
      const wary = open(url(made.otherAuthority))
      assert.equal(await wary.ready(700), false)
      await wary.close()
      assert.throws(() => open(url('/no/such/file')), /SLUICE_REDIS_URL: cannot read its ca/)
    } finally {
      folder.remove()
    }
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
      assert.ok(await store.ready(20_000))
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

  it('refuses sentinels without the name of their master', () => {
    assert.throws(() => open('redis+sentinel://127.0.0.1:26379'), /need the name of their master/)
  })
})

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
