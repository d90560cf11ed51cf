import assert from 'node:assert/strict'
import { Type } from 'typebox'
import { EventRegistry } from '../../events/types/registry.ts'

const TYPE = { type: 'tea.brewed.v1', doc: 'Tea is ready.', data: Type.Object({ minutes: Type.Number() }) }

describe('the registry of event types', () => {
  const registry = new EventRegistry([TYPE])

  it('accepts data that its type describes', () => {
    assert.equal(registry.check({ type: 'tea.brewed.v1', subject: 'pot', data: { minutes: 4 } }), undefined)
  })

  it('names the place of a wrong value, and never the value', () => {
    const problem = registry.check({
      type: 'tea.brewed.v1',
      subject: 'pot',
      data: { minutes: 'planted-value' },
    })
    assert.equal(problem?.kind, 'invalid')
    assert.match(problem!.describe(), /\/minutes/)
    assert.doesNotMatch(problem!.describe(), /planted-value/)
  })

  it('tells a type that nobody declared from one that is no name', () => {
    const long = (more: number) => `tea.${'x'.repeat(193 + more)}.v1`
    for (const type of ['tea.spilt.v1', long(0)])
      assert.equal(registry.check({ type, subject: 'pot', data: {} })?.kind, 'unknown', type)
    for (const type of ['Tea.brewed.v1', 'tea', 'tea.brewed', 'tea.brewed.v0', 'tea.#.v1', '', long(1)])
      assert.equal(registry.check({ type, subject: 'pot', data: {} })?.kind, 'malformed', type)
  })

  it('refuses two declarations of one type', () => {
    assert.throws(() => new EventRegistry([TYPE, { ...TYPE }]), { code: 'SLUICE_EVENTS_INVALID' })
  })
})
