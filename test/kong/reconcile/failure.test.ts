import assert from 'node:assert/strict'
import { SluiceError } from '../../../foundation/errors.ts'
import { AdminClient, type Row } from '../../../kong/admin/client.ts'
import { waitForKong } from '../../../kong/admin/ready.ts'
import { type RunningAdmin, startAdminServer } from '../../support/admin-server.ts'
import { type FaultyAdmin, startFaultyAdmin } from '../../support/faulty-admin.ts'
import { freePort } from '../../support/ports.ts'
import { applyText, quickRetry, simulatedRetry } from '../../support/reconcile.ts'

const head = '_format_version: "3.0"\n'
const STATE = `${head}
services:
- name: s
  host: h
  routes: [{ name: r1, paths: [/1] }, { name: r2, paths: [/2] }]
- { name: changed, host: before }
- { name: gone, host: h }
`
const NEXT = `${head}
services:
- name: s
  host: h
  routes: [{ name: r1, paths: [/1] }, { name: r3, paths: [/3] }]
- { name: changed, host: after }
- { name: fresh, host: h, routes: [{ name: r4, paths: [/4] }] }
`

describe('an apply that meets trouble', () => {
  let admin: RunningAdmin
  let faults: FaultyAdmin
  let client: AdminClient
  /** Past the faults. */
  let direct: AdminClient
  beforeEach(async () => {
    admin = await startAdminServer()
    faults = await startFaultyAdmin(admin.url)
    client = new AdminClient({ url: faults.url, timeoutMs: 2_000 })
    direct = new AdminClient({ url: admin.url })
  })
  afterEach(async () => {
    await client.close()
    await direct.close()
    await faults.close()
    await admin.close()
    assert.deepEqual(admin.errors, [])
  })

  const snapshot = async () => {
    const lists = await Promise.all(['/services', '/routes'].map(async path => (await direct.list(path))!))
    const plain = ({ created_at: _c, updated_at: _u, ...row }: Row) => row
    return lists
      .flat()
      .map(plain)
      .toSorted((a, b) => (String(a.id) < String(b.id) ? -1 : 1))
  }
  const failureOf = async (work: Promise<unknown>): Promise<SluiceError> => {
    try {
      await work
    } catch (error) {
      assert.ok(error instanceof SluiceError, String(error))
      assert.equal(error.code, 'SLUICE_APPLY_FAILED')
      return error
    }
    throw new assert.AssertionError({ message: 'it did not fail' })
  }

  it('says where nobody listens', async () => {
    const port = await freePort()
    const lonely = new AdminClient({ url: `http://127.0.0.1:${port}` })
    await assert.rejects(waitForKong(lonely, { forMs: 20 }, quickRetry), {
      code: 'SLUICE_ADMIN_UNREACHABLE',
      message: `no answer from the Admin API at http://127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}`,
    })
    await lonely.close()
  })

  it('goes on where it was when Kong is killed midway and comes back', async () => {
    let isKilled = false
    faults.decide = async (_method, _path, n) => {
      if (n !== 3 || isKilled) return 'pass'
      isKilled = true
      void faults.stop()
      return 'lose-request'
    }
    const retried: string[] = []
    const parts = simulatedRetry(async nowMs => {
      if (nowMs >= 1_000) await faults.restart()
    })
    const watcher = { retrying: (change: { label: string }) => void retried.push(change.label) }
    const plan = await applyText(client, STATE, {}, { retryForMs: 60_000, parts, watcher, concurrency: 2 })
    assert.equal(plan.changes.length, 5)
    assert.ok(retried.length > 0)
    assert.equal((await snapshot()).length, 5)
    assert.deepEqual((await applyText(client, STATE)).changes, [])
  })

  it('does nothing twice when an answer is lost', async () => {
    const seen = new Set<string>()
    faults.decide = (method, path) => {
      if (method === 'GET' || seen.has(path)) return 'pass'
      seen.add(path)
      return 'lose-answer'
    }
    const upstream = `${head}upstreams: [{ name: up, targets: [{ target: 10.0.0.1 }] }]\n`
    await applyText(client, upstream)
    assert.equal((await direct.list('/upstreams/up/targets'))!.length, 1)
    assert.deepEqual((await applyText(client, upstream)).changes, [])
    await applyText(client, `${head}upstreams: []\n`)
    assert.deepEqual(await direct.list('/upstreams'), [])
  })

  it('undoes everything when Kong stays away too long, once it is back', async () => {
    await applyText(client, STATE)
    const before = await snapshot()
    let isAway = false
    faults.decide = (method, path) => {
      if (method === 'PUT' && path.startsWith('/routes')) isAway = true
      return isAway ? 'lose-request' : 'pass'
    }
    // The step gives up after 10 s; the undoing finds Kong again.
    const parts = simulatedRetry(async nowMs => {
      if (nowMs > 12_000) isAway = false
    })
    const undone: string[] = []
    const watcher = { undone: (change: { label: string }) => void undone.push(change.label) }
    const error = await failureOf(
      applyText(client, NEXT, {}, { retryForMs: 10_000, parts, watcher, concurrency: 1 }),
    )
    assert.match(error.message, /^creating route r3 \(service s\) failed: no answer from the Admin API/)
    assert.ok(undone.includes('service changed') && undone.includes('service fresh'), undone.join())
    assert.deepEqual(error.details.leftovers, [])
    assert.deepEqual(await snapshot(), before)
  })

  it('names what it could not undo when Kong does not come back', async () => {
    await applyText(client, STATE)
    let isAway = false
    faults.decide = (method, path) => {
      if (method === 'PUT' && path.startsWith('/routes')) isAway = true
      return isAway ? 'lose-request' : 'pass'
    }
    const parts = simulatedRetry(async () => {})
    const error = await failureOf(applyText(client, NEXT, {}, { retryForMs: 1_000, parts, concurrency: 1 }))
    assert.match(error.message, /\n {2}service changed was changed: no answer from the Admin API/)
    assert.match(error.message, /\n {2}service fresh was created: no answer from the Admin API/)
    // Whether this one was made, nobody knows.
    assert.match(error.message, /\n {2}route r3 \(service s\) was created: no answer/)
  })

  it('undoes everything when somebody else takes a name meanwhile, and leaves theirs alone', async () => {
    await applyText(client, STATE)
    const before = await snapshot()
    faults.decide = async (method, path) => {
      if (method === 'PUT' && path.startsWith('/routes'))
        for (const name of ['r3', 'r4'])
          await direct.request('PUT', `/routes/${name}`, { paths: [`/${name}`], tags: ['theirs'] })
      return 'pass' as const
    }
    const error = await failureOf(applyText(client, NEXT))
    assert.match(error.message, /409 UNIQUE violation detected on '\{name="r[34]"\}'/)
    assert.deepEqual(error.details.leftovers, [])
    const after = await snapshot()
    assert.deepEqual(
      after.filter(row => !(row.tags as string[]).includes('theirs')),
      before,
    )
    assert.equal(after.length, before.length + 2)
  })

  it("undoes everything when others' entities come to hang on what is to be deleted", async () => {
    await applyText(client, STATE)
    const before = await snapshot()
    let hung: string | undefined
    faults.decide = async method => {
      if (method === 'PATCH' && hung === undefined) {
        hung = 'on its way'
        const { id } = (await direct.find('/services/gone'))!
        await direct.request('POST', '/plugins', { name: 'correlation-id', service: { id } })
      }
      return 'pass' as const
    }
    const error = await failureOf(applyText(client, NEXT))
    assert.match(error.message, /plugin \S+ belongs to service gone, and is not ours$/m)
    assert.deepEqual(await snapshot(), before)
    assert.equal((await direct.list('/plugins'))?.length, 1)
  })

  it('deletes only after everything else has succeeded', async () => {
    await applyText(client, STATE)
    const methods: string[] = []
    faults.decide = method => {
      if (method !== 'GET') methods.push(method)
      return 'pass'
    }
    await applyText(client, NEXT)
    assert.equal(methods.lastIndexOf('PUT') < methods.indexOf('DELETE'), true, methods.join())
    assert.equal(methods.filter(method => method === 'DELETE').length, 2)
  })

  it('does last what it could not undo, and names it', async () => {
    const consumer = (password: string, name: string) =>
      `${head}consumers:\n- username: c\n  basicauth_credentials: [{ username: c, password: ${password} }, { username: ${name}, password: x }]\n`
    await applyText(client, consumer('p1', 'a'))
    // The deletion is done, the change of the other one's password is refused.
    faults.decide = method => (method === 'PATCH' ? { status: 400, body: { message: 'no' } } : 'pass')
    const error = await failureOf(applyText(client, consumer('p2', 'b'), {}, { concurrency: 1 }))
    assert.equal(
      error.message.replace(/PATCH \S+: /, ''),
      'changing basic-auth credential c (consumer c) failed: 400 no\n' +
        '1 change was undone\n' +
        '1 could not be undone:\n' +
        '  basic-auth credential a (consumer c) was deleted: Kong keeps a hash of the password only',
    )
  })

  it('undoes everything when it is interrupted', async () => {
    await applyText(client, STATE)
    const before = await snapshot()
    const stop = new AbortController()
    const watcher = { applied: () => stop.abort() }
    const error = await failureOf(
      applyText(client, NEXT, {}, { signal: stop.signal, watcher, concurrency: 1 }),
    )
    assert.equal(error.message, 'interrupted\n1 change was undone')
    assert.deepEqual(await snapshot(), before)
  })
})
