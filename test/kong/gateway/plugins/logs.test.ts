import assert from 'node:assert/strict'
import { readFileSync, renameSync } from 'node:fs'
import path from 'node:path'
import { makeFolder, type TestFolder } from '../../../support/folder.ts'
import { type RunningGateway, startTestGateway } from '../../../support/gateway.ts'
import { until } from '../../../support/until.ts'
import { startUpstream, type TestUpstream } from '../../../support/upstream.ts'

interface Entry {
  readonly request: { readonly uri: string }
  readonly response: { readonly status: number }
  readonly route: { readonly name: string }
}

describe('the logs of plugins', () => {
  let folder: TestFolder
  let gateway: RunningGateway
  let upstream: TestUpstream
  const received: {
    readonly authorization: string | undefined
    readonly type: string | undefined
    readonly body: string
  }[] = []

  before(async () => {
    folder = makeFolder()
    upstream = await startUpstream((request, response) => {
      let body = ''
      request.on('data', chunk => {
        body += chunk
      })
      request.on('end', () => {
        if (request.url === '/logs') {
          const { authorization, 'content-type': type } = request.headers
          received.push({ authorization, type, body })
        }
        response.end('ok')
      })
    })
    gateway = await startTestGateway()
    await gateway.admin('POST', '/services', { name: 's', url: upstream.url })
    for (const name of ['file', 'again', 'http', 'batch'])
      await gateway.admin('POST', '/services/s/routes', { name, paths: [`/${name}`] })
  })
  after(async () => {
    await gateway.close()
    await upstream.close()
    folder.remove()
  })

  const lines = (file: string): Entry[] => {
    const text = readFileSync(path.join(folder.path, file), 'utf8')
    return text
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line))
  }
  const ask = async (target: string) => (await fetch(`${gateway.proxyUrl}${target}`)).text()

  it('of file-log are one JSON object a line', async () => {
    await gateway.admin('POST', '/routes/file/plugins', {
      name: 'file-log',
      config: { path: path.join(folder.path, 'log') },
    })
    await ask('/file?a=1')
    await ask('/file?a=2')
    await until('two lines', () => lines('log').length === 2)
    assert.deepEqual(
      lines('log').map(({ request, response, route }) => [request.uri, response.status, route.name]),
      [
        ['/file?a=1', 200, 'file'],
        ['/file?a=2', 200, 'file'],
      ],
    )
  })

  it('of file-log go on in a new file after a rotation, where it is told to reopen', async () => {
    await gateway.admin('POST', '/routes/again/plugins', {
      name: 'file-log',
      config: { path: path.join(folder.path, 'rotated'), reopen: true },
    })
    await ask('/again?1')
    await until('the first line', () => lines('rotated').length === 1)
    renameSync(path.join(folder.path, 'rotated'), path.join(folder.path, 'old'))
    await ask('/again?2')
    await until('the second line', () => lines('rotated').length === 1)
    assert.equal(lines('rotated')[0]?.request.uri, '/again?2')
    assert.equal(lines('old')[0]?.request.uri, '/again?1')
  })

  it('of http-log are one request each, with the credentials of the URL', async () => {
    const url = upstream.url.replace('//', '//user:p%40ss@')
    await gateway.admin('POST', '/routes/http/plugins', {
      name: 'http-log',
      config: { http_endpoint: `${url}/logs`, headers: { 'x-more': '1' } },
    })
    await ask('/http')
    await until('the log', () => received.length === 1)
    const [{ authorization, type, body } = assert.fail()] = received
    assert.equal(authorization, `Basic ${Buffer.from('user:p@ss').toString('base64')}`)
    assert.equal(type, 'application/json')
    assert.equal((JSON.parse(body) as Entry).route.name, 'http')
  })

  it('of http-log are a list where batches are wanted', async () => {
    received.length = 0
    await gateway.admin('POST', '/routes/batch/plugins', {
      name: 'http-log',
      config: {
        http_endpoint: `${upstream.url}/logs`,
        queue: { max_batch_size: 3, max_coalescing_delay: 3_600 },
      },
    })
    await Promise.all([1, 2, 3].map(i => ask(`/batch?${i}`)))
    await until('the batch', () => received.length === 1)
    const entries = JSON.parse(received[0]?.body ?? '') as Entry[]
    assert.deepEqual(entries.map(({ request }) => request.uri).sort(), ['/batch?1', '/batch?2', '/batch?3'])
  })
})
