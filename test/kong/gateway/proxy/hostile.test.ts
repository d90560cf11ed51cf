import assert from 'node:assert/strict'
import type { IncomingHttpHeaders } from 'node:http'
import { type RunningGateway, startTestGateway } from '../../../support/gateway.ts'
import { connectRaw } from '../../../support/raw-http.ts'
import { startUpstream, type TestUpstream } from '../../../support/upstream.ts'

describe('requests that are no good HTTP', () => {
  let gateway: RunningGateway
  let upstream: TestUpstream
  let seen: string[]
  let headers: IncomingHttpHeaders
  before(async () => {
    upstream = await startUpstream((request, response) => {
      seen.push(`${request.method} ${request.url}`)
      headers = request.headers
      request.resume()
      request.on('end', () => response.end('ok'))
    })
    gateway = await startTestGateway()
    await gateway.admin('POST', '/services', { name: 's', url: upstream.url })
    await gateway.admin('POST', '/services/s/routes', { paths: ['/'] })
  })
  beforeEach(() => {
    seen = []
  })
  after(async () => {
    await gateway.close()
    await upstream.close()
  })

  const HIDDEN = 'GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n'
  const cases: Record<string, string> = {
    'two different lengths': `POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 40\r\n\r\nabc${HIDDEN}`,
    'a length and chunks': `POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
    'chunks and a length': `POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${HIDDEN}`,
    'a coding that is not known last': `POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${HIDDEN}`,
    'a coding with a space before the colon': `POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
    'a chunk length that is no number': `POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n${HIDDEN}`,
    'a chunk without its line end': `POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n${HIDDEN}`,
    'a negative length': `POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n${HIDDEN}`,
    'a folded header': `GET /x HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n`,
    'a bare line feed in a header': `GET /x HTTP/1.1\r\nHost: a\r\nX-A: b\nX-B: c\r\n\r\n`,
    'a host with a space': `GET /x HTTP/1.1\r\nHost: a b\r\n\r\n`,
    'no host': `GET /x HTTP/1.1\r\n\r\n`,
    'two hosts': `GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`,
    'no HTTP at all': `\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03`,
  }
  for (const [what, text] of Object.entries(cases))
    it(`refuses ${what}, and closes the connection`, async () => {
      const connection = await connectRaw(gateway.proxyPort)
      connection.write(Buffer.from(text, 'latin1'))
      const received = await connection.closed
      assert.match(received, /^HTTP\/1\.1 400 /)
      assert.equal(received.match(/HTTP\/1\.1 /g)?.length, 1, 'one answer only')
      assert.match(received, /\r\n\r\nBad request\nrequest_id: [0-9a-f]{32}\n$/)
      assert.ok(!seen.includes('GET /hidden'))
    })

  it('refuses a head above 32 KB', async () => {
    const connection = await connectRaw(gateway.proxyPort)
    connection.write(`GET /x HTTP/1.1\r\nHost: a\r\nX-Big: ${'b'.repeat(40_000)}\r\n\r\n`)
    const received = await connection.closed
    assert.match(received, /^HTTP\/1\.1 400 /)
    assert.match(received, /Request header or cookie too large\n/)
    assert.deepEqual(seen, [])
  })

  it('serves two requests that come in one write, in their order', async () => {
    const connection = await connectRaw(gateway.proxyPort)
    connection.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n')
    await connection.until(text => (text.match(/\r\n\r\nok/g)?.length ?? 0) === 2)
    connection.destroy()
    assert.deepEqual(seen.sort(), ['GET /1', 'GET /2'])
  })

  it('does not pass on what belongs to the connection of the client', async () => {
    const own = {
      connection: 'close, x-hop, x-other-hop',
      'x-hop': '1',
      'x-other-hop': '1',
      'keep-alive': 'timeout=5',
      'proxy-connection': 'keep-alive',
      proxy: 'evil',
      te: 'gzip',
      expect: '100-continue',
      upgrade: 'h2c',
    }
    const lines = Object.entries({ ...own, 'x-kept': 'yes' }).map(([name, value]) => `${name}: ${value}\r\n`)
    const connection = await connectRaw(gateway.proxyPort)
    connection.write(`POST /x HTTP/1.1\r\nHost: a\r\n${lines.join('')}Content-Length: 2\r\n\r\nhi`)
    assert.match(await connection.closed, /HTTP\/1\.1 200 OK/)
    assert.deepEqual(seen, ['POST /x'])
    assert.equal(headers['x-kept'], 'yes')
    // The gateway's own connection is kept open.
    assert.equal(headers.connection, 'keep-alive')
    const passed = Object.keys(own).filter(name => name !== 'connection' && headers[name] !== undefined)
    assert.deepEqual(passed, [])
  })
})
