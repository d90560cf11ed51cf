import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { bindShared, listen } from '../../../plugin-server/transport/listener.ts'

describe('the listener', () => {
  let folder: string
  const accept = () => {}
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'sluice-listen-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('makes a folder that only its user may enter, or the group that it is given too', async () => {
    const own = await listen({ path: path.join(folder, 'a', 's'), group: undefined, takeOver: false, accept })
    assert.equal(statSync(path.join(folder, 'a')).mode & 0o777, 0o700)
    const group = String(process.getgid!())
    const shared = await listen({ path: path.join(folder, 'b', 's'), group, takeOver: false, accept })
    assert.equal(statSync(path.join(folder, 'b')).mode & 0o777, 0o710)
    assert.equal(statSync(path.join(folder, 'b', 's')).mode & 0o777, 0o660)
    assert.equal(statSync(path.join(folder, 'b', 's')).gid, process.getgid!())
    own.close()
    shared.close()
  })

  it('leaves nothing behind when it can not listen', async () => {
    const target = path.join(folder, 's')
    const wrong = listen({ path: target, group: 'no-such-group', takeOver: false, accept })
    await assert.rejects(wrong, { code: 'SLUICE_SOCKET_FAILED', message: /no group "no-such-group"/ })
    assert.deepEqual(readdirSync(folder), [])
    const tooLong = listen({
      path: path.join(folder, 'x'.repeat(120)),
      group: undefined,
      takeOver: false,
      accept,
    })
    await assert.rejects(tooLong, { code: 'SLUICE_SOCKET_FAILED', message: /bytes too long .* shorter path/ })
  })

  for (const takeOver of [false, true])
    it(`leaves a file at its path as it is, ${takeOver ? 'also where it takes over' : 'and says so'}`, async () => {
      const target = path.join(folder, 'notes.txt')
      writeFileSync(target, 'mine')
      const place = { path: target, group: undefined, takeOver }
      const refused = {
        code: 'SLUICE_SOCKET_FAILED',
        message: /notes\.txt exists and is no socket; remove it/,
      }
      await assert.rejects(listen({ ...place, accept }), refused)
      assert.throws(() => bindShared(place), refused)
      assert.equal(readFileSync(target, 'utf8'), 'mine')
      assert.deepEqual(readdirSync(folder), ['notes.txt'])
    })

  it('leaves nothing behind of a socket for workers that is not put at its path', async () => {
    const target = path.join(folder, 's')
    const place = { path: target, group: undefined, takeOver: false }
    const shared = bindShared(place)
    const [bound = ''] = readdirSync(folder)
    assert.notEqual(bound, 's')
    assert.equal(statSync(path.join(folder, bound)).mode & 0o777, 0o660)
    const other = await listen({ ...place, accept })
    await assert.rejects(shared.publish(), { code: 'SLUICE_SOCKET_IN_USE' })
    assert.equal(other.current(), true)
    shared.close()
    other.close()
    assert.deepEqual(readdirSync(folder), [])
  })

  it('knows when another one has taken its path, and leaves it then', async () => {
    const target = path.join(folder, 's')
    for (let i = 0; i < 20; i++) {
      const first = await listen({ path: target, group: undefined, takeOver: true, accept })
      const second = await listen({ path: target, group: undefined, takeOver: true, accept })
      assert.equal(first.current(), false)
      assert.equal(second.current(), true)
      first.close()
      assert.equal(second.current(), true)
      second.close()
      assert.deepEqual(readdirSync(folder), [])
    }
  })
})
