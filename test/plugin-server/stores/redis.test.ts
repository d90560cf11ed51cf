import assert from 'node:assert/strict'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Redis } from 'ioredis'
import { systemClock } from '../../../foundation/clock.ts'
import { SluiceError } from '../../../foundation/errors.ts'
import { createLogger } from '../../../foundation/log.ts'
import { createMetrics } from '../../../foundation/metrics.ts'
import { RedisStore } from '../../../plugin-server/stores/redis.ts'
import { counterScript } from '../../support/counter-script.ts'
import { type Service, START_MS, useRedis } from '../../support/services.ts'
import { until } from '../../support/until.ts'

const DEADLINE_MS = 200

describe('the Redis store', () => {
  let redis: Service
  let store: RedisStore

  before(async function () {
    this.timeout(START_MS)
    redis = await useRedis()
  })
  after(() => redis.close())

  beforeEach(async () => {
    store = createStore(redis.url)
    assert.ok(await store.ready(60_000))
  })
  afterEach(() => store.close())

  const add = (key: string) => store.run(counterScript, key, [1, 60_000])

  it('runs a script, and says that it cannot before it is connected', async () => {
    const early = createStore(redis.url)
    await assert.rejects(early.run(counterScript, '{a}', [1, 1000]), isError('SLUICE_STORE_UNAVAILABLE'))
    assert.equal(early.available, false)
    assert.ok(await early.ready(60_000))
    assert.equal(await early.run(counterScript, '{a}', [1, 1000]), 1)
    await early.close()
  })

  it('brings a script back that Redis has forgotten', async () => {
    assert.equal(await add('{flush}'), 1)
    await withRedis(redis.url, client => client.script('FLUSH'))
    const counts = await Promise.all(Array.from({ length: 20 }, () => add('{flush}')))
    assert.deepEqual(
      counts.sort((a, b) => a - b),
      Array.from({ length: 20 }, (_, i) => i + 2),
    )
  })

  it('lets requests in flight wait for the deadline, and later ones not at all, while Redis is paused', async () => {
    const changes: boolean[] = []
    store.onAvailability(available => changes.push(available))
    await add('{pause}')
    await redis.pause()
    try {
      const inFlight = await Promise.allSettled(Array.from({ length: 10 }, () => add('{pause}')))
      for (const result of inFlight) {
        assert.equal(result.status, 'rejected')
        assert.ok(isError('SLUICE_STORE_TIMEOUT')((result as PromiseRejectedResult).reason))
      }
      assert.equal(store.available, false)
      // A promise that is rejected already is settled before a timer of 0 ms.
      const first = await Promise.race([add('{pause}').catch(e => e.code), turns(1)])
      assert.equal(first, 'SLUICE_STORE_UNAVAILABLE')
    } finally {
      await redis.resume()
    }
    assert.ok(await store.ready(60_000))
    assert.deepEqual(changes, [false, true])
    // What was in flight was late, not lost: it ran when Redis went on.
    assert.equal(await add('{pause}'), 12)
  })

  it('comes back by itself after Redis was killed and started again', async () => {
    await add('{kill}')
    await redis.kill()
    await assert.rejects(add('{kill}'), isError('SLUICE_STORE_UNAVAILABLE'))
    await redis.restart()
    assert.ok(await store.ready(60_000))
    assert.equal(typeof (await add('{kill}')), 'number')
  }).timeout(30_000)

  it('takes a Redis that is slower than the deadline for away, until it is fast again', async () => {
    const slow = await startSlowProxy(redis.url)
    const distant = createStore(slow.url)
    try {
      assert.ok(await distant.ready(60_000))
      assert.equal(await distant.run(counterScript, '{slow}', [1, 60_000]), 1)
      slow.delayMs = 3 * DEADLINE_MS
      await assert.rejects(distant.run(counterScript, '{slow}', [1, 60_000]), isError('SLUICE_STORE_TIMEOUT'))
      // One late call is no outage; the probe that it calls for is late, too.
      await until(async () => !distant.canReach('{slow}'))
      await assert.rejects(
        distant.run(counterScript, '{slow}', [1, 60_000]),
        isError('SLUICE_STORE_UNAVAILABLE'),
      )
      // Its probes are answered, but too late.
      assert.equal(await distant.ready(5 * DEADLINE_MS), false)
      slow.delayMs = 0
      assert.ok(await distant.ready(60_000))
      assert.equal(await distant.run(counterScript, '{slow}', [1, 60_000]), 3)
    } finally {
      await distant.close()
      await slow.close()
    }
  })

  it('stays open for patient calls while Redis is too slow for the others', async () => {
    const slow = await startSlowProxy(redis.url)
    const distant = createStore(slow.url, { patientDeadlineMs: 20 * DEADLINE_MS })
    const heard: string[] = []
    distant.onAvailability(is => heard.push(`${is}`))
    distant.patient.onAvailability(is => heard.push(`patient ${is}`))
    try {
      assert.ok(await distant.ready(60_000))
      slow.delayMs = 3 * DEADLINE_MS
      let late: Promise<number> | undefined
      const onLate = (answer: Promise<number>) => {
        late = answer
      }
      const call = Promise.resolve(distant.run(counterScript, '{patient}', [1, 60_000], onLate))
      await assert.rejects(call, isError('SLUICE_STORE_TIMEOUT'))
      assert.equal(await late, 1)
      await until(async () => !distant.canReach('{patient}'))
      assert.equal(await distant.patient.run(counterScript, '{patient}', [1, 60_000]), 2)
      assert.deepEqual(heard, ['true', 'patient true', 'false'])
    } finally {
      await distant.close()
      await slow.close()
    }
  })

  it('lets patient calls wait for the connection, and fails them at once when there is none to come', async () => {
    const early = createStore(redis.url)
    try {
      assert.equal(await early.patient.run(counterScript, '{early}', [1, 60_000]), 1)
    } finally {
      await early.close()
    }
    const nowhere = createStore('redis://127.0.0.1:1', { patientDeadlineMs: 60_000 })
    try {
      for (const _ of ['under way', 'refused'])
        await assert.rejects(
          Promise.resolve(nowhere.patient.run(counterScript, '{a}', [1, 1000])),
          isError('SLUICE_STORE_UNAVAILABLE'),
        )
      assert.equal(nowhere.patient.canReach('{a}'), false)
    } finally {
      await nowhere.close()
    }
  })

  it('is not called unavailable by a process that was held up itself', async () => {
    await add('{stall}')
    const changes: boolean[] = []
    store.onAvailability(is => changes.push(is))
    // The calls are written in the turn that then blocks for longer than they may wait.
    const calls = [add('{stall}'), add('{stall}'), add('{stall}')]
    const endMs = performance.now() + 3 * DEADLINE_MS
    while (performance.now() < endMs);
    assert.deepEqual(await Promise.all(calls), [2, 3, 4])
    assert.deepEqual(changes, [])
  })

  it('takes a Redis that refuses writes for away, though it answers PING', async () => {
    await withRedis(redis.url, async client => {
      await client.config('SET', 'maxmemory', '1')
      await assert.rejects(add('{full}'), isError('SLUICE_STORE_UNAVAILABLE'))
      assert.equal(store.available, false)
      await client.config('SET', 'maxmemory', '0')
    })
    assert.ok(await store.ready(60_000))
    assert.equal(await add('{full}'), 1)
  })

  it('does not take Redis for away because of one wrong call', async () => {
    await withRedis(redis.url, client => client.set('{wrong}', 'text'))
    await assert.rejects(add('{wrong}'), isError('SLUICE_STORE_UNAVAILABLE'))
    assert.equal(store.available, true)
  })

  it('says once what to do about calls that Redis refuses for their key, and not which', async () => {
    const told: unknown[] = []
    const log = createLogger('silent')
    log.error = (about: unknown, message?: unknown) => void told.push([about, message])
    const clock = { now: Date.now, monotonic: () => performance.now() }
    const own = new RedisStore({
      urls: [redis.url],
      deadlineMs: 60_000,
      clock,
      log,
      metrics: createMetrics(),
    })
    assert.ok(await own.ready(60_000))
    assert.equal(own.fault, undefined)
    const key = '{sluice:test:client:192.0.2.1}'
    await withRedis(redis.url, client => client.set(key, 'text'))
    for (const view of [own, own, own.patient])
      await assert.rejects(Promise.resolve(view.run(counterScript, key, [1, 1000])), /WRONGTYPE/)
    assert.match(own.fault ?? '', /^Redis refuses calls with WRONGTYPE: another program uses this key/)
    assert.equal(told.length, 1)
    const [about, message] = told[0] as [Record<string, string>, string]
    assert.equal(message, own.fault)
    assert.deepEqual([about.call, about.key], [counterScript.name, '{sluice:test…'])
    await own.close()
  })

  it('does not take Redis for away because a script fails to read its reply', async () => {
    const failing: typeof counterScript = {
      ...counterScript,
      decode() {
        throw new Error('unreadable')
      },
    }
    await assert.rejects(store.run(failing, '{unread}', [1, 1000]), /unreadable/)
    assert.equal(store.available, true)
  })

  it('brings messages to every watcher, also after the connection was lost', async () => {
    const heard: string[] = []
    const stop = store.watch('news', message => heard.push(message))
    await until(async () => {
      await store.publish('news', 'before')
      return heard.includes('before')
    })
    await withRedis(redis.url, client => client.call('CLIENT', 'KILL', 'TYPE', 'pubsub'))
    await until(async () => {
      await store.publish('news', 'after')
      return heard.includes('after')
    })
    stop()
  })

  it('tells its watchers when messages may be lost, and when they arrive again', async () => {
    const told: boolean[] = []
    const stop = store.watch(
      'interrupted',
      () => {},
      isListening => told.push(isListening),
    )
    await until(() => told.length === 1)
    await withRedis(redis.url, client => client.call('CLIENT', 'KILL', 'TYPE', 'pubsub'))
    await until(() => told.length === 3)
    assert.deepEqual(told, [true, false, true])
    stop()
  })

  it('keeps bytes as they are, with the time that is left to them', async () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => index % 256)
    await store.writeBytes('{bytes}:a', bytes, 60_000)
    await store.writeBytes('{bytes}:empty', new Uint8Array(0), 60_000)
    const [a, missing, empty] = await store.readBytes(['{bytes}:a', '{bytes}:none', '{bytes}:empty'])
    assert.deepEqual(Buffer.from(a?.bytes ?? []), Buffer.from(bytes))
    assert.ok(a && a.expiresInMs > 0 && a.expiresInMs <= 60_000)
    assert.equal(missing, undefined)
    assert.equal(empty?.bytes.length, 0)
  })

  it('reads bytes also when Redis has forgotten its scripts', async () => {
    await store.writeBytes('{bytes}:b', Buffer.from('kept'), 60_000)
    await withRedis(redis.url, client => client.call('SCRIPT', 'FLUSH'))
    const [found] = await store.readBytes(['{bytes}:b'])
    assert.equal(Buffer.from(found?.bytes ?? []).toString(), 'kept')
  })

  it('lists keys by their prefix, taken literally', async () => {
    await add('{list*}:1')
    await add('{list*}:2')
    await add('{listing}:3')
    const keys: string[] = []
    for await (const key of store.keys('{list*}')) keys.push(key)
    assert.deepEqual(keys.sort(), ['{list*}:1', '{list*}:2'])
  })

  it('names no password in an error', async () => {
    const wrong = createStore(redis.url.replace('redis://', 'redis://user:planted-secret@'))
    const error = await wrong.run(counterScript, '{a}', [1, 1000]).catch(e => e)
    await wrong.ready(300)
    const later = await wrong.run(counterScript, '{a}', [1, 1000]).catch(e => e)
    await wrong.close()
    for (const each of [error, later]) assert.ok(!`${each.stack}${each.cause}`.includes('planted-secret'))
  })
})

function createStore(url: string, more: { patientDeadlineMs?: number } = {}): RedisStore {
  const parts = { clock: systemClock, metrics: createMetrics(), log: createLogger('silent') }
  return new RedisStore({ urls: [url], deadlineMs: DEADLINE_MS, ...parts, ...more })
}

async function withRedis<T>(url: string, act: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url)
  try {
    return await act(client)
  } finally {
    client.disconnect()
  }
}

/** Stands between a store and Redis, and brings answers later. */
async function startSlowProxy(target: string) {
  const { hostname, port, username, password } = new URL(target)
  const sockets = new Set<Socket>()
  const proxy = { url: '', delayMs: 0, close: async () => {} }
  const server = createServer(near => {
    const far = connect(Number(port), hostname)
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        near.destroy()
        far.destroy()
      })
    }
    near.on('data', data => far.write(data))
    far.on('data', data => void setTimeout(() => near.write(data), proxy.delayMs))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  proxy.url = `redis://${username}:${password}@127.0.0.1:${(server.address() as AddressInfo).port}`
  proxy.close = async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
  return proxy
}

const isError = (code: string) => (error: unknown) => error instanceof SluiceError && error.code === code

/** Resolves after some turns of the event loop. */
async function turns(count: number): Promise<'later'> {
  for (let i = 0; i < count; i++) await new Promise(resolve => setImmediate(resolve))
  return 'later'
}
