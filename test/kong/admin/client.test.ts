import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { AdminUnreachable, isTransient } from '../../../kong/admin/answer.ts'
import { AdminClient } from '../../../kong/admin/client.ts'
import { retry } from '../../../kong/admin/retry.ts'
import { startAdminServer } from '../../support/admin-server.ts'
import { simulatedRetry } from '../../support/reconcile.ts'

describe('the client of the Admin API', () => {
  it('reads a collection page by page', async () => {
    const admin = await startAdminServer()
    const client = new AdminClient({ url: admin.url })
    const names = Array.from({ length: 1_003 }, (_, i) => `c${i}`)
    // Not all at once: on a busy machine the last would wait too long for their answers.
    for (let i = 0; i < names.length; i += 100)
      await Promise.all(
        names.slice(i, i + 100).map(username => client.request('POST', '/consumers', { username })),
      )
    const rows = await client.list('/consumers')
    assert.deepEqual(rows!.map(row => row.username).toSorted(), names.toSorted())
    assert.deepEqual(client.requests, { reads: 2, writes: 1_003 })
    assert.equal(await client.list('/no-such'), undefined)
    await client.close()
    await admin.close()
  }).timeout(30_000)

  it('knows what may succeed when it is tried again', async () => {
    const admin = await startAdminServer()
    const client = new AdminClient({ url: admin.url })
    const refused = await client.request('POST', '/services', {}).catch((error: unknown) => error)
    assert.equal(isTransient(refused), false)
    await admin.close()
    const gone = await client.request('GET', '/').catch((error: unknown) => error)
    assert.equal(isTransient(gone), true)
    await client.close()
  })

  describe('behind a proxy', () => {
    let server: Server
    let seen: IncomingMessage | undefined
    let port: number
    beforeEach(async () => {
      server = createServer((request, response) => {
        seen = request
        response.writeHead(503).end('<html>busy</html>')
      })
      await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
      port = (server.address() as AddressInfo).port
    })
    afterEach(() => new Promise(resolve => server.close(resolve)))

    it('keeps a path as a prefix, and sends credentials and headers without showing them', async () => {
      const client = new AdminClient({
        url: `http://admin:p%40ss@127.0.0.1:${port}/kong/`,
        headers: { 'kong-admin-token': 't' },
      })
      const error = (await client.request('GET', '/status').catch((e: unknown) => e)) as Error
      assert.equal(seen?.url, '/kong/status')
      assert.equal(seen?.headers['kong-admin-token'], 't')
      assert.equal(seen?.headers.authorization, `Basic ${Buffer.from('admin:p@ss').toString('base64')}`)
      assert.equal(client.url, `http://127.0.0.1:${port}/kong`)
      assert.equal(error.message, 'GET /status: 503 <html>busy</html>')
      assert.equal(isTransient(error), true)
      await client.close()
    })
  })

  it('refuses what is no URL', () => {
    assert.throws(() => new AdminClient({ url: 'localhost:8001' }), { code: 'SLUICE_CLI_USAGE' })
  })
})

describe('trying again', () => {
  it('stops at once for what will not pass', async () => {
    let tries = 0
    const work = async () => {
      tries++
      throw new Error('no')
    }
    await assert.rejects(
      retry(
        work,
        { forMs: 1_000 },
        simulatedRetry(async () => {}),
      ),
    )
    assert.equal(tries, 1)
  })

  it('doubles its pauses up to a limit, and ends in time', async () => {
    const times: number[] = []
    const work = async () => {
      throw new AdminUnreachable('away')
    }
    const parts = simulatedRetry(async nowMs => void times.push(Math.round(nowMs)))
    const options = { forMs: 1_000, pauseMs: 100, maxPauseMs: 300 }
    await assert.rejects(retry(work, options, { ...parts, random: () => 1 }), { message: 'away' })
    assert.deepEqual(times, [100, 300, 600, 900, 1_000])
  })
})
