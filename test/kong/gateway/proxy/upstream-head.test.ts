import assert from 'node:assert/strict'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { type RunningGateway, startTestGateway } from '../../../support/gateway.ts'
import { connectRaw } from '../../../support/raw-http.ts'

/** As a Kong 3.9.3 was seen to pass them on. */
describe('the head of an answer', () => {
  let gateway: RunningGateway
  let upstream: Server
  let answer = ''
  before(async () => {
    upstream = createServer(socket => {
      socket.on('error', () => {})
      socket.on('data', () => socket.end(Buffer.from(answer, 'latin1')))
    })
    await new Promise<void>(resolve => upstream.listen(0, '127.0.0.1', resolve))
    gateway = await startTestGateway()
    const { port } = upstream.address() as AddressInfo
    await gateway.admin('POST', '/services', { name: 'raw', host: '127.0.0.1', port, retries: 0 })
    await gateway.admin('POST', '/services/raw/routes', { paths: ['/'] })
  })
  after(async () => {
    await gateway.close()
    upstream.close()
  })

  async function ask(fields: readonly string[]): Promise<string> {
    answer = ['HTTP/1.1 200 OK', 'content-length: 2', ...fields, '', 'ok'].join('\r\n')
    const client = await connectRaw(Number(new URL(gateway.proxyUrl).port))
    client.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')
    return client.closed
  }

  it('keeps the bytes of a file name that is not ASCII', async () => {
    const field = 'content-disposition: attachment; filename="\u00fc.txt"'
    assert.ok((await ask([field])).toLowerCase().includes(field))
  })

  it('has one of a field that nginx holds once: the first', async () => {
    const got = await ask(['etag: "1"', 'etag: "2"', 'vary: a', 'vary: b'])
    assert.deepEqual(got.match(/^etag: .*$/gim), ['etag: "1"'])
    assert.equal(got.match(/^vary: .*$/gim)?.length, 2)
  })
})
