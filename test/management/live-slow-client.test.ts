import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { randomId } from '../../events/stamp.ts'
import { EventRing } from '../../management/live/event-ring.ts'
import { EventStream } from '../../management/live/event-stream.ts'
import type { LiveEvent } from '../../management/live/live-event.ts'
import { TypeFilter } from '../../management/live/type-filter.ts'
import { EventClient } from '../support/event-client.ts'
import { until } from '../support/until.ts'

const ALL = TypeFilter.parse('')
const KEPT = 50
const SIZE = 100_000

describe('a stream of events', () => {
  const listeners = new Set<() => void>()
  const streams: EventStream[] = []
  let ring: EventRing
  let server: Server
  let url: string

  const feed = {
    get ring() {
      return ring
    },
    listen(listener: () => void) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }

  beforeEach(async () => {
    ring = new EventRing({ events: KEPT, size: 1e9 })
    server = createServer((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.flushHeaders()
      assert.ok(ALL)
      const stream = new EventStream(feed, ALL, response)
      streams.push(stream)
      void stream.start({ backlog: [], position: ring.end, untilPosition: 0, notBeforeMs: 0 })
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterEach(async () => {
    for (const stream of streams.splice(0)) stream.end()
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  })

  let n = 0
  function happen(): string {
    const now = Date.now()
    const id = randomId(now, randomBytes(16).toString('hex'))
    const event: LiveEvent = {
      id,
      time: new Date(now).toISOString(),
      type: 'test.happened.v1',
      subject: `n/${n++}`,
      node: 'here',
      data: { filler: 'x'.repeat(SIZE) },
    }
    ring.add(event)
    for (const listener of listeners) listener()
    return id
  }

  it('holds back for a client that reads slowly, and gives it all', async () => {
    const client = await new EventClient(url, '/', {}).open()
    const ids: string[] = []
    for (let i = 0; i < 200; i++) {
      ids.push(happen())
      // As fast as it reads: the ring holds fifty.
      await until('it has read', () => client.events.length > i - 20)
    }
    await until('all came', () => client.events.length === ids.length)
    assert.deepEqual(client.ids, ids)
    await client.close()
  })

  it('ends for a client that reads nothing, whose connection holds no more than its buffers', async () => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.pause()
    socket.on('error', () => {})
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    await until('it listens', () => listeners.size === 1)
    const [stream] = streams
    // The kernel takes some megabytes before anything is held back.
    await until(
      'it is cut off',
      () => {
        happen()
        return stream?.isEnded === true
      },
      { everyMs: 1 },
    )
    assert.equal(listeners.size, 0)
    socket.destroy()
  })

  it('ends for a client that is stuck while little happens', async () => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.pause()
    socket.on('error', () => {})
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    await until('it listens', () => listeners.size === 1)
    const [stream] = streams
    assert.ok(stream)
    await until(
      'it is ended by heartbeats',
      () => {
        if (ring.end < KEPT) happen()
        stream.beat()
        return stream.isEnded
      },
      { everyMs: 1 },
    )
    socket.destroy()
  })
})
