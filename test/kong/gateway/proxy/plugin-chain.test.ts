import assert from 'node:assert/strict'
import type { Plugin } from '../../../../kong/entities/entities.ts'
import type { Exchange } from '../../../../kong/gateway/proxy/exchange.ts'
import { createPlan, type PluginHandler } from '../../../../kong/gateway/proxy/plugin-chain.ts'
import { createMemoryState } from '../../../../kong/gateway/state/state.ts'

interface Scope {
  route?: string
  service?: string
  consumer?: string
}

function plugin(name: string, scope: Scope, more: Partial<Plugin> = {}): Plugin {
  const reference = (id: string | undefined) => (id === undefined ? null : { id })
  return {
    id: `${name}|${scope.route ?? ''}|${scope.service ?? ''}|${scope.consumer ?? ''}`,
    name,
    route: reference(scope.route),
    service: reference(scope.service),
    consumer: reference(scope.consumer),
    created_at: 1,
    updated_at: 1,
    instance_name: null,
    config: {},
    protocols: ['http', 'https'],
    enabled: true,
    tags: null,
    ...more,
  }
}

function planOf(plugins: readonly Plugin[], priorities: Readonly<Record<string, number>>) {
  const state = createMemoryState(() => 0)
  state.transact(tx => {
    for (const entity of plugins) tx.put('plugins', entity)
  })
  const handlers = new Map<string, PluginHandler>(
    Object.entries(priorities).map(([name, priority]) => [name, { priority }]),
  )
  let sequence = 0
  return createPlan(state.snapshot(), handlers, 'ws', () => ++sequence)
}

const requestOf = (scope: Scope) =>
  ({
    route: scope.route && { id: scope.route },
    service: scope.service && { id: scope.service },
    consumer: scope.consumer && { id: scope.consumer },
  }) as unknown as Exchange

describe('the plan of plugins', () => {
  it('takes the most specific configuration, in the order of Kong', () => {
    const scopes: Scope[] = [
      { route: 'r', service: 's', consumer: 'c' },
      { route: 'r', consumer: 'c' },
      { service: 's', consumer: 'c' },
      { route: 'r', service: 's' },
      { consumer: 'c' },
      { route: 'r' },
      { service: 's' },
      {},
    ]
    const all = requestOf({ route: 'r', service: 's', consumer: 'c' })
    for (const [i, expected] of scopes.entries()) {
      const plan = planOf(
        scopes.slice(i).map(scope => plugin('p', scope)),
        { p: 1 },
      )
      assert.equal(plan.candidates[0]!.find(all)?.entity.id, plugin('p', expected).id)
    }
  })

  it('leaves a plugin out whose scope is another', () => {
    const plan = planOf([plugin('p', { route: 'r', consumer: 'c' })], { p: 1 })
    const find = plan.candidates[0]!.find
    assert.equal(find(requestOf({ route: 'r' })), undefined)
    assert.equal(find(requestOf({ route: 'x', consumer: 'c' })), undefined)
    assert.ok(find(requestOf({ route: 'r', consumer: 'c' })))
  })

  it('runs by priority, then by name from high to low', () => {
    const plan = planOf(
      ['low', 'a', 'b', 'high'].map(name => plugin(name, {})),
      { low: 1, a: 5, b: 5, high: 9 },
    )
    assert.deepEqual(
      plan.candidates.map(candidate => candidate.name),
      ['high', 'b', 'a', 'low'],
    )
  })

  it('leaves out what is switched off, not installed, or for other protocols', () => {
    const plan = planOf(
      [
        plugin('off', {}, { enabled: false }),
        plugin('missing', {}),
        plugin('stream', {}, { protocols: ['tcp'] }),
        plugin('on', {}),
      ],
      { off: 1, stream: 1, on: 1 },
    )
    assert.deepEqual(
      plan.candidates.map(candidate => candidate.name),
      ['on'],
    )
  })

  it('knows the global plugins, and numbers every configuration', () => {
    const plan = planOf([plugin('p', {}), plugin('p', { route: 'r' }), plugin('q', { route: 'r' })], {
      p: 1,
      q: 1,
    })
    assert.deepEqual(
      plan.globals.map(configured => configured.name),
      ['p'],
    )
    const numbers = plan.candidates.map(c => c.find(requestOf({ route: 'r' }))?.sequence)
    assert.equal(new Set(numbers).size, 2)
  })
})
