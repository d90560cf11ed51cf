import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { hasDocker } from '../../../ops/local/docker.ts'

describe('whether a Docker engine answers', () => {
  let folder: string
  const servers: { close(): unknown }[] = []
  const listen = async (server: Server, at: string | number) => {
    servers.push(server)
    await once(typeof at === 'string' ? server.listen(at) : server.listen(at, '127.0.0.1'), 'listening')
    return server
  }
  const engine = (status: number) =>
    createServer((request, response) => {
      response.statusCode = request.url === '/_ping' ? status : 404
      response.end('OK')
    })

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'sluice-docker-'))
  })
  afterEach(() => {
    for (const server of servers.splice(0)) server.close()
  })
  after(() => rmSync(folder, { recursive: true }))

  it('is asked at a unix socket', async () => {
    const socket = path.join(folder, 'docker.sock')
    assert.equal(await hasDocker(`unix://${socket}`), false)
    await listen(engine(200), socket)
    assert.equal(await hasDocker(`unix://${socket}`), true)
  })

  it('is asked over TCP', async () => {
    const server = await listen(engine(200), 0)
    assert.equal(await hasDocker(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`), true)
  })

  it('is denied by an engine that fails, and by what speaks no HTTP', async () => {
    const failing = await listen(engine(500), 0)
    assert.equal(await hasDocker(`tcp://127.0.0.1:${(failing.address() as AddressInfo).port}`), false)
    const other = createTcpServer(socket => socket.end('SSH-2.0\r\n')).listen(0, '127.0.0.1')
    servers.push(other)
    await once(other, 'listening')
    assert.equal(await hasDocker(`tcp://127.0.0.1:${(other.address() as AddressInfo).port}`), false)
  })
})
