import assert from 'node:assert/strict'
import { newKeyLine, Sealer } from '../../management/sealer.ts'

describe('the sealer of secrets', () => {
  const first = newKeyLine(0)
  const second = newKeyLine(1)

  it('opens what it sealed, and what an older key sealed', () => {
    const sealed = new Sealer(first).seal({ key: 'geheim' }, 'a')
    assert.equal(sealed.includes('geheim'), false)
    assert.deepEqual(new Sealer(`# new\n${second}\n${first}\n`).open(sealed, 'a'), { key: 'geheim' })
  })

  it('refuses another context, another byte, a key that is missing', () => {
    const sealer = new Sealer(first)
    const sealed = sealer.seal('x', 'a')
    assert.throws(() => sealer.open(sealed, 'b'), { code: 'SLUICE_MANAGER_INTERNAL' })
    const changed = Buffer.from(sealed)
    changed[changed.length - 1]! ^= 1
    assert.throws(() => sealer.open(changed, 'a'), { code: 'SLUICE_MANAGER_INTERNAL' })
    assert.throws(() => new Sealer(second).open(sealed, 'a'), /lacks the key/)
  })

  it('refuses a value that was cut, wherever', () => {
    const sealer = new Sealer(first)
    const sealed = sealer.seal('x', 'a')
    for (let length = 0; length < sealed.length; length++)
      assert.throws(() => sealer.open(sealed.subarray(0, length), 'a'), { code: 'SLUICE_MANAGER_INTERNAL' })
  })

  it('refuses a file that holds no key, or a wrong one', () => {
    for (const text of [
      '',
      '# nothing\n',
      'nonsense',
      `id:${Buffer.alloc(16).toString('base64')}`,
      `${first}\n${first}`,
    ])
      assert.throws(() => new Sealer(text), { code: 'SLUICE_CONFIG_INVALID' }, text)
  })
})
