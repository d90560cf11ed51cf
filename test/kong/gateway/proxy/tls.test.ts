import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type ClientHttp2Session, connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:net'
import { connect as connectTls, createSecureContext, createServer, type PeerCertificate } from 'node:tls'
import { startGateway } from '../../../../kong/gateway/gateway.ts'
import { selfSigned } from '../../../../kong/gateway/proxy/self-signed.ts'
import { readGatewaySettings } from '../../../../kong/gateway/settings.ts'
import { makeCertificates } from '../../../support/certificates.ts'
import { makeFolder, type TestFolder } from '../../../support/folder.ts'
import { startTestGateway } from '../../../support/gateway.ts'
import { silentLog } from '../../../support/plugin-server.ts'
import { startUpstream, type TestUpstream } from '../../../support/upstream.ts'

const LISTEN = {
  KONG_PROXY_LISTEN: '127.0.0.1:0, 127.0.0.1:0 http2 ssl, 127.0.0.1:0 ssl',
  KONG_ADMIN_LISTEN: '127.0.0.1:0',
}

/** The certificate and the protocol that a listener gives. */
function handshake(
  port: number,
  servername?: string,
): Promise<{ readonly certificate: PeerCertificate; readonly protocol: string | false | null }> {
  return new Promise((resolve, reject) => {
    const socket = connectTls(
      {
        ...{ host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: ['h2', 'http/1.1'] },
        ...(servername !== undefined && { servername }),
      },
      () => {
        resolve({ certificate: socket.getPeerCertificate(), protocol: socket.alpnProtocol })
        socket.destroy()
      },
    )
    socket.on('error', reject)
  })
}

interface Answered {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

function ask(
  session: ClientHttp2Session,
  headers: Readonly<Record<string, string>>,
  body?: string,
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers, { endStream: body === undefined })
    let head: IncomingHttpHeaders = {}
    let text = ''
    stream.on('response', received => {
      head = received
    })
    stream.on('data', chunk => {
      text += chunk
    })
    stream.on('end', () => resolve({ headers: head, body: text }))
    stream.on('error', reject)
    if (body !== undefined) stream.end(body)
  })
}

describe('a listener with TLS', () => {
  let folder: TestFolder
  let upstream: TestUpstream
  let gateway: Awaited<ReturnType<typeof startTestGateway>>
  let [http2Port, http1Port] = [0, 0]

  before(async () => {
    folder = makeFolder()
    upstream = await startUpstream((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', chunk => chunks.push(chunk))
      request.on('end', () => {
        if (request.url === '/broken') {
          response.writeHead(200, { 'content-length': '100' })
          response.write('part', () => request.socket.destroy())
          return
        }
        response.sendDate = request.url !== '/undated'
        response.setHeader('set-cookie', ['a=1', 'b=2'])
        response.setHeader('keep-alive', 'timeout=5')
        response.end(
          JSON.stringify({
            headers: request.headers,
            body: Buffer.concat(chunks).toString(),
            url: request.url,
          }),
        )
      })
    })
    gateway = await startTestGateway(LISTEN)
    ;[, http2Port = 0, http1Port = 0] = gateway.proxyPorts
    await gateway.admin('POST', '/services', { name: 's', url: upstream.url, retries: 0 })
    await gateway.admin('POST', '/services/s/routes', { name: 'all', paths: ['/'] })
    await gateway.admin('POST', '/services/s/routes', { name: 'tls', paths: ['/tls'], protocols: ['https'] })
  })
  after(async () => {
    await gateway.close()
    await upstream.close()
    folder.remove()
  })

  it('has a certificate of its own where it knows none of a name', async () => {
    const { certificate } = await handshake(http1Port, 'anything.example')
    assert.equal(certificate.subject.CN, 'localhost')
    assert.equal((await handshake(http1Port)).certificate.fingerprint256, certificate.fingerprint256)
  })

  it('has the certificate of the SNI that fits best, as soon as it is there', async () => {
    const files = makeCertificates(folder.path)
    const own = { cert: readFileSync(files.certificate, 'utf8'), key: readFileSync(files.key, 'utf8') }
    const names = ['one.example', 'other.example', 'last.example']
    const made = names.map(name => selfSigned(name, Date.now()))
    await gateway.admin('POST', '/certificates', { ...own, snis: ['exact.a.example'] })
    await gateway.admin('POST', '/certificates', { ...made[0], snis: ['*.a.example'] })
    await gateway.admin('POST', '/certificates', { ...made[1], snis: ['exact.a.*'] })
    const subjectFor = async (name: string) => (await handshake(http1Port, name)).certificate.subject.CN
    assert.equal(await subjectFor('exact.a.example'), 'localhost')
    assert.equal(await subjectFor('EXACT.a.example'), 'localhost')
    assert.equal(await subjectFor('some.a.example'), 'one.example')
    assert.equal(await subjectFor('exact.a.org'), 'other.example')
    await gateway.admin('POST', '/certificates', { ...made[2], snis: ['*'] })
    assert.equal(await subjectFor('deep.some.a.example'), 'last.example')
  })

  it('speaks HTTP/2 only where it is told to', async () => {
    assert.equal((await handshake(http2Port)).protocol, 'h2')
    assert.equal((await handshake(http1Port)).protocol, 'http/1.1')
  })

  it('serves HTTP/1.1, and tells the upstream that it was TLS', async () => {
    const body = await new Promise<string>((resolve, reject) => {
      const options = { host: '127.0.0.1', port: http2Port, path: '/tls/x', rejectUnauthorized: false }
      httpsRequest(options, response => {
        let text = ''
        response.on('data', chunk => {
          text += chunk
        })
        response.on('end', () => resolve(text))
      })
        .on('error', reject)
        .end()
    })
    const { headers, url } = JSON.parse(body)
    assert.equal(url, '/x')
    assert.equal(headers['x-forwarded-proto'], 'https')
    assert.equal(headers['x-forwarded-port'], String(http2Port))
    assert.equal(headers.via, '1.1 kong/3.9.3')
    const plain = await fetch(`${gateway.proxyUrl}/tls/x`)
    assert.equal(plain.status, 426)
  })

  it('tells who speaks plain HTTP to it', async () => {
    const response = await fetch(`http://127.0.0.1:${http2Port}/`)
    assert.equal(response.status, 400)
    assert.match(await response.text(), /<center>The plain HTTP request was sent to HTTPS port<\/center>/)
  })

  describe('over HTTP/2', () => {
    let session: ClientHttp2Session
    before(() => {
      session = connectHttp2(`https://127.0.0.1:${http2Port}`, { rejectUnauthorized: false })
    })
    after(() => session.close())

    it('serves many requests side by side on one connection, each with its own answer', async () => {
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, i) =>
          ask(session, { ':method': 'POST', ':path': `/${i}` }, `body ${i}`),
        ),
      )
      for (const [i, { headers, body }] of answers.entries()) {
        assert.equal(headers[':status'], 200)
        const seen = JSON.parse(body)
        assert.deepEqual([seen.url, seen.body], [`/${i}`, `body ${i}`])
      }
    })

    it('makes a Host of the authority, and keeps fields that came several times apart', async () => {
      const { headers, body } = await ask(session, { ':path': '/x', ':authority': 'h.example:8443' })
      const seen = JSON.parse(body)
      assert.equal(seen.headers['x-forwarded-host'], 'h.example')
      assert.equal(seen.headers.via, '2 kong/3.9.3')
      assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2'])
      for (const name of ['connection', 'keep-alive', 'transfer-encoding'])
        assert.equal(headers[name], undefined)
    })

    it('dates its own answers, and none of an upstream that does not', async () => {
      const dateOf = async (path: string) => (await ask(session, { ':path': path })).headers.date
      assert.equal(await dateOf('/undated'), undefined)
      assert.ok(await dateOf('/x'))
      const plain = await fetch(`${gateway.proxyUrl}/undated`)
      assert.equal(plain.headers.get('date'), null)
      const refused = await fetch(`${gateway.proxyUrl}/tls`)
      assert.deepEqual([refused.status, refused.headers.has('date')], [426, true])
    })

    it('answers HEAD without a body, and what it refuses itself', async () => {
      const head = await ask(session, { ':method': 'HEAD', ':path': '/x' })
      assert.deepEqual([head.headers[':status'], head.body], [200, ''])
      const trace = await ask(session, { ':method': 'TRACE', ':path': '/x' })
      assert.equal(trace.headers[':status'], 405)
      assert.ok(trace.headers.date)
    })

    it('breaks off what the upstream broke off', async () => {
      const broken = connectHttp2(`https://127.0.0.1:${http2Port}`, { rejectUnauthorized: false })
      await assert.rejects(ask(broken, { ':path': '/broken' }), { code: 'ERR_HTTP2_STREAM_ERROR' })
      broken.destroy()
    })
  })

  it('ends with its connections, also those on which TLS never began', async () => {
    const settings = readGatewaySettings(LISTEN, [])
    const other = await startGateway({ settings, logger: silentLog, environment: LISTEN })
    const port = other.proxyAddresses[1]!.port
    const idle = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
    idle.on('error', () => {})
    await new Promise(resolve => idle.once('connect', resolve))
    const silent = connect(port, '127.0.0.1')
    silent.on('error', () => {})
    await new Promise(resolve => silent.once('connect', resolve))
    const ended = [idle, silent].map(one => new Promise(resolve => one.once('close', resolve)))
    await other.close(30_000)
    await Promise.all(ended)
  })
})

describe('a self-made certificate', () => {
  it('is readable whatever its key and its serial number are', () => {
    for (let i = 0; i < 300; i++) createSecureContext(selfSigned('localhost', Date.now()))
  })

  it('is one that OpenSSL accepts as its own authority, for its host', async () => {
    const { cert, key } = selfSigned('localhost', Date.now())
    const server = createServer({ cert, key }, socket => socket.end('hello'))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const received = await new Promise<string>((resolve, reject) => {
      const socket = connectTls({ host: '127.0.0.1', port, ca: cert, servername: 'localhost' })
      let text = ''
      socket.on('data', chunk => {
        text += chunk
      })
      socket.on('end', () => resolve(text))
      socket.on('error', reject)
    })
    assert.equal(received, 'hello')
    await new Promise(resolve => server.close(resolve))
  })
})
