import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { type RunningGateway, startTestGateway } from '../../../support/gateway.ts'
import { connectRaw } from '../../../support/raw-http.ts'
import { startUpstream, type TestUpstream } from '../../../support/upstream.ts'

describe('streaming', () => {
  let gateway: RunningGateway
  let upstream: TestUpstream
  let answer: (request: IncomingMessage, response: ServerResponse) => void
  before(async () => {
    upstream = await startUpstream((request, response) => answer(request, response))
    gateway = await startTestGateway()
    await gateway.admin('POST', '/services', { name: 's', url: upstream.url, retries: 0 })
    await gateway.admin('POST', '/services/s/routes', { paths: ['/'] })
  })
  after(async () => {
    await gateway.close()
    await upstream.close()
  })

  it('gives the client the first part of a response while the rest is still to come', async () => {
    let go: () => void = () => {}
    answer = (_, response) => {
      response.write('first')
      go = () => response.end('second')
    }
    const response = await fetch(gateway.proxyUrl)
    const reader = response.body!.getReader()
    assert.equal(Buffer.from((await reader.read()).value!).toString(), 'first')
    go()
    assert.equal(Buffer.from((await reader.read()).value!).toString(), 'second')
    assert.equal((await reader.read()).done, true)
  })

  it('gives the upstream the first part of a large body while the rest is still to come', async () => {
    const first = deferred<number>()
    let total = 0
    answer = (request, response) => {
      request.on('data', (chunk: Buffer) => {
        total += chunk.length
        first.resolve(total)
      })
      request.on('end', () => response.end(String(total)))
    }
    const connection = await connectRaw(gateway.proxyPort)
    const half = Buffer.alloc(100_000, 97)
    connection.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${half.length * 2}\r\n\r\n`)
    connection.write(half)
    assert.ok((await first.promise) <= half.length)
    connection.write(half)
    await connection.until(text => text.endsWith(`\r\n\r\n${half.length * 2}`))
    connection.destroy()
  })

  it('passes chunks of unknown length on', async () => {
    answer = (request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => response.end(Buffer.concat(chunks)))
    }
    const connection = await connectRaw(gateway.proxyPort)
    connection.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
    connection.write('3\r\nabc\r\n')
    connection.write('2;ext=1\r\nde\r\n0\r\n\r\n')
    await connection.until(text => text.includes('abcde'))
    connection.destroy()
  })

  it('reads no more from the upstream than a client that does not read can be given', async () => {
    let written = 0
    const socketOf = deferred<ServerResponse>()
    answer = (_, response) => {
      const chunk = Buffer.alloc(64 * 1024)
      const more = () => {
        while (written < 256 * 1024 * 1024) {
          written += chunk.length
          if (!response.write(chunk)) return
        }
        response.end()
      }
      response.on('drain', more)
      more()
      socketOf.resolve(response)
    }
    const connection = await connectRaw(gateway.proxyPort)
    connection.pause()
    connection.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await socketOf.promise
    const before = await untilStill(() => written)
    assert.ok(before < 64 * 1024 * 1024, `${before} bytes were taken`)
    // Somebody else is served meanwhile.
    answer = (_, response) => response.end('other')
    assert.equal(await (await fetch(gateway.proxyUrl)).text(), 'other')
    connection.destroy()
  })

  it('reads no more from a client than an upstream that does not read can be given', async () => {
    const arrived = deferred<IncomingMessage>()
    answer = request => arrived.resolve(request)
    const connection = await connectRaw(gateway.proxyPort)
    const size = 256 * 1024 * 1024
    connection.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`)
    const chunk = Buffer.alloc(1024 * 1024)
    for (let sent = 0; sent < size; sent += chunk.length) connection.write(chunk)
    const request = await arrived.promise
    const left = await untilStill(() => connection.buffered)
    assert.ok(size - left < 64 * 1024 * 1024, `${size - left} bytes were taken`)
    connection.destroy()
    // Only who reads learns of the end.
    request.resume()
    await assert.rejects(once(request, 'close'), /aborted/)
    assert.equal(request.complete, false)
  })

  it('ends the request to the upstream when the client leaves', async () => {
    const arrived = deferred<IncomingMessage>()
    answer = request => arrived.resolve(request)
    const connection = await connectRaw(gateway.proxyPort)
    connection.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const request = await arrived.promise
    const closed = once(request.socket, 'close')
    connection.destroy()
    await closed
  })

  it('drops a request whose client leaves within its body, and serves the next one', async () => {
    let asked = 0
    answer = (_, response) => {
      asked++
      response.end('next')
    }
    const connection = await connectRaw(gateway.proxyPort)
    connection.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf')
    await sleep(50)
    connection.destroy()
    assert.equal(await (await fetch(gateway.proxyUrl)).text(), 'next')
    assert.equal(asked, 1)
  })

  it('breaks the connection off when the upstream breaks off within a body', async () => {
    answer = (_, response) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('part', () => response.socket!.destroy())
    }
    const connection = await connectRaw(gateway.proxyPort)
    connection.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const received = await connection.closed
    assert.match(received, /^HTTP\/1\.1 200 /)
    assert.ok(received.endsWith('part'))
  })

  it('passes a 304 with a length and no body', async () => {
    answer = (_, response) => {
      response.writeHead(304, { 'content-length': '10', etag: '"x"' })
      response.end()
    }
    const response = await fetch(gateway.proxyUrl)
    assert.equal(response.status, 304)
    assert.equal(response.headers.get('etag'), '"x"')
  })
})

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>(r => {
    resolve = r
  })
  return { promise, resolve }
}

/** The value when it has not changed for a while: nothing moves any more. */
async function untilStill(read: () => number): Promise<number> {
  for (let last = -1; ; ) {
    const value = read()
    if (value === last) return value
    last = value
    await sleep(300)
  }
}
