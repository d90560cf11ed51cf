import assert from 'node:assert/strict'
import { SluiceError } from '../../../../foundation/errors.ts'
import { AdminClient } from '../../../../kong/admin/client.ts'
import type { Row } from '../../../../kong/reconcile/change.ts'
import { type RunningAdmin, startAdminServer } from '../../../support/admin-server.ts'
import { type FaultyAdmin, startFaultyAdmin } from '../../../support/faulty-admin.ts'
import { applyText, simulatedRetry } from '../../../support/reconcile.ts'

const head = '_format_version: "3.0"\n'
const [ID, OTHER] = ['aaaaaaaa-0000-4000-8000-000000000000', 'bbbbbbbb-0000-4000-8000-000000000000']

/** A real Kong answered 500 after its pg_timeout of 5 s on a locked row, and wrote when the lock was gone. */
describe('a request that Kong answers with 500 and carries out later', () => {
  let admin: RunningAdmin
  let faults: FaultyAdmin
  let client: AdminClient
  let direct: AdminClient
  beforeEach(async () => {
    admin = await startAdminServer()
    faults = await startFaultyAdmin(admin.url)
    client = new AdminClient({ url: faults.url })
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
    const lists = await Promise.all(
      ['/services', '/routes', '/plugins'].map(async path => (await direct.list(path))!),
    )
    return lists
      .flat()
      .map(({ created_at: _c, updated_at: _u, ...row }: Row) => row)
      .toSorted((a, b) => (String(a.id) < String(b.id) ? -1 : 1))
  }

  /** The first request with this method is late, until `atMs` have passed; nothing is tried again. */
  const lateUntil = (method: string, atMs: number) => {
    let release = () => {}
    const late = new Promise<void>(resolve => {
      release = resolve
    })
    let isLate = false
    faults.decide = used => {
      if (used !== method || isLate) return 'pass'
      isLate = true
      return { late }
    }
    return simulatedRetry(async nowMs => {
      if (nowMs < atMs) return
      release()
      await faults.lateWritesDone()
    })
  }
  const applyLate = async (
    text: string,
    method: string,
    atMs: number,
    { retryForMs = 0, waitMs = 5_000 } = {},
  ) => {
    const parts = lateUntil(method, atMs)
    const settle = { waitMs, forMs: 30_000 }
    return applyText(client, text, {}, { parts, settle, retryForMs, concurrency: 1 })
  }
  const refused = async (work: Promise<unknown>): Promise<SluiceError> => {
    const error = await work.then(
      () => undefined,
      (reason: unknown) => reason,
    )
    assert.ok(error instanceof SluiceError, String(error))
    assert.equal(error.code, 'SLUICE_APPLY_FAILED')
    return error
  }

  const service = (host: string) => `${head}services: [{ name: s, host: ${host} }]\n`

  it('is undone though it was answered with an error', async () => {
    await applyText(client, service('before'))
    const before = await snapshot()
    const error = await refused(applyLate(service('after'), 'PATCH', 5_000))
    assert.match(error.message, /^changing service s failed: PATCH \S+: 500/)
    assert.deepEqual(error.details.leftovers, [])
    assert.deepEqual(await snapshot(), before)
  })

  it('is found after a look at which all seemed well', async () => {
    await applyText(client, service('before'))
    const before = await snapshot()
    await refused(applyLate(service('after'), 'PATCH', 9_000))
    assert.deepEqual(await snapshot(), before)
  })

  it('is found up to the end of the time for which late writes are looked for', async () => {
    await applyText(client, service('before'))
    const before = await snapshot()
    // The time is no multiple of the pause between two looks.
    await refused(applyLate(service('after'), 'PATCH', 29_000, { waitMs: 7_000 }))
    assert.deepEqual(await snapshot(), before)
  })

  it('leaves nothing behind when it was a creation', async () => {
    const error = await refused(applyLate(service('h'), 'PUT', 5_000))
    assert.deepEqual(error.details.leftovers, [])
    assert.deepEqual(await snapshot(), [])
  })

  it('takes nothing along when it was a deletion', async () => {
    const text = `${head}services: [{ name: s, host: h, plugins: [{ name: key-auth }] }]\n`
    await applyText(client, text)
    const before = await snapshot()
    // The plugin goes first; the deletion of the service gets a 500, and is done when both have been put back.
    let deletions = 0
    const parts = lateUntil('DELETE', 5_000)
    const { decide } = faults
    faults.decide = (method, path, n) =>
      method === 'DELETE' && ++deletions === 1 ? 'pass' : decide(method, path, n)
    const settle = { waitMs: 5_000, forMs: 30_000 }
    const work = applyText(client, head, {}, { parts, settle, retryForMs: 0, concurrency: 1 })
    const error = await refused(work)
    assert.deepEqual(error.details.leftovers, [])
    assert.deepEqual(await snapshot(), before)
  })

  it('does not delete what was created anew after its repetition', async () => {
    const named = (x: string, y: string) =>
      `${head}services: [{ id: ${ID}, name: ${x}, host: h }, { id: ${OTHER}, name: ${y}, host: h }]\n`
    await applyText(client, named('x', 'y'))
    // The two swap their names: one is deleted and created anew with its id.
    const swapped = named('y', 'x')
    const { changes } = await applyLate(swapped, 'DELETE', 5_000, { retryForMs: 1_000 })
    assert.ok(changes.some(change => change.action === 'delete'))
    assert.deepEqual((await direct.list('/services'))?.map(row => row.name).toSorted(), ['x', 'y'])
    assert.deepEqual((await applyText(client, swapped)).changes, [])
  })

  describe('and that Kong cannot restore', () => {
    const consumer = (password: string) =>
      `${head}consumers: [{ username: c, basicauth_credentials: [{ username: c, password: ${password} }] }]\n`

    it('is named when it was carried out', async () => {
      await applyText(client, consumer('p1'))
      const error = await refused(applyLate(consumer('p2'), 'PATCH', 5_000))
      assert.match(error.message, /basic-auth credential c \(consumer c\) was changed: Kong keeps a hash/)
    })

    it('is not named when it was not', async () => {
      await applyText(client, consumer('p1'))
      const error = await refused(applyLate(consumer('p2'), 'PATCH', Number.POSITIVE_INFINITY))
      assert.deepEqual(error.details.leftovers, [])
    })
  })
})

describe('a key with a ttl that is put back', () => {
  it('has the time left that it would have had', async () => {
    const admin = await startAdminServer()
    const faults = await startFaultyAdmin(admin.url)
    const client = new AdminClient({ url: faults.url })
    try {
      const consumer = (list: string) =>
        `${head}consumers: [{ username: c, keyauth_credentials: [${list}] }]\n`
      await applyText(client, consumer(''))
      // Half of its hour has passed.
      const createdAt = Math.floor(client.now()) - 1_800
      const given = { id: ID, key: 'k1', ttl: 3_600, created_at: createdAt, tags: ['sluice'] }
      await client.request('PUT', `/consumers/c/key-auth/${ID}`, given)
      const before = (await client.find(`/key-auths/${ID}`))!
      assert.ok(Math.abs(Number(before.ttl) - 1_800) <= 2, String(before.ttl))
      // Deleted in the last stage, where the deletion of another one fails.
      let deletions = 0
      faults.decide = method =>
        method === 'DELETE' && ++deletions === 2 ? { status: 400, body: { message: 'no' } } : 'pass'
      await client.request('POST', '/consumers/c/acls', { group: 'g', tags: ['sluice'] })
      await assert.rejects(applyText(client, consumer(''), {}, { concurrency: 1 }), {
        code: 'SLUICE_APPLY_FAILED',
      })
      const after = (await client.find(`/key-auths/${ID}`))!
      assert.equal(after.created_at, createdAt)
      assert.ok(Math.abs(Number(after.ttl) - 1_800) <= 5, String(after.ttl))
    } finally {
      await client.close()
      await faults.close()
      await admin.close()
    }
  })
})
