import assert from 'node:assert/strict'
import { messageOf } from '../../../../foundation/errors.ts'
import type { Plugin } from '../../../../kong/entities/entities.ts'
import { createPluginChain, type Scope } from '../../../../kong/gateway/proxy/plugin-chain.ts'
import { createMemoryState } from '../../../../kong/gateway/state/state.ts'
import { createExchange } from '../../../support/gateway-exchange.ts'

interface Ids {
  readonly route?: string
  readonly service?: string
  readonly consumer?: string
}

function plugin(name: string, scope: Ids, more: Partial<Plugin> = {}): Plugin {
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

function chainOf(plugins: readonly Plugin[], priorities: Readonly<Record<string, number>>) {
  const state = createMemoryState(() => 0)
  state.transact(tx => {
    for (const entity of plugins) tx.put('plugins', entity)
  })
  let sequence = 0
  const faults: string[] = []
  const chain = createPluginChain(state.snapshot(), {
    plugins: new Map(
      Object.entries(priorities).map(([name, priority]) => [
        name,
        { priority, configure: configureOf(name) },
      ]),
    ),
    workspaceId: 'ws',
    nextSequence: () => ++sequence,
    onFault: ({ entity }, error) => faults.push(`${entity.name}: ${messageOf(error)}`),
  })
  return { ...chain, faults }
}

const configureOf = (name: string) => () => {
  if (name === 'broken') throw new Error('no good')
  return {}
}

const scopeOf = (ids: Ids): Scope => {
  const reference = (id: string | undefined) => (id === undefined ? undefined : { id })
  return {
    route: reference(ids.route),
    service: reference(ids.service),
    consumer: reference(ids.consumer),
  }
}

describe('the chain of plugins', () => {
  it('takes the most specific configuration, in the order of Kong', () => {
    const scopes: Ids[] = [
      { route: 'r', service: 's', consumer: 'c' },
      { route: 'r', consumer: 'c' },
      { service: 's', consumer: 'c' },
      { route: 'r', service: 's' },
      { consumer: 'c' },
      { route: 'r' },
      { service: 's' },
      {},
    ]
    const all = scopeOf({ route: 'r', service: 's', consumer: 'c' })
    for (const [i, expected] of scopes.entries()) {
      const chain = chainOf(
        scopes.slice(i).map(scope => plugin('p', scope)),
        { p: 1 },
      )
      assert.equal(chain.candidates[0]!.find(all)?.entity.id, plugin('p', expected).id)
    }
  })

  it('leaves a plugin out whose scope is another', () => {
    const chain = chainOf([plugin('p', { route: 'r', consumer: 'c' })], { p: 1 })
    const find = chain.candidates[0]!.find
    assert.equal(find(scopeOf({ route: 'r' })), undefined)
    assert.equal(find(scopeOf({ route: 'x', consumer: 'c' })), undefined)
    assert.ok(find(scopeOf({ route: 'r', consumer: 'c' })))
  })

  it('runs by priority, then by name from high to low', () => {
    const chain = chainOf(
      ['low', 'a', 'b', 'high'].map(name => plugin(name, {})),
      { low: 1, a: 5, b: 5, high: 9 },
    )
    assert.deepEqual(
      chain.candidates.map(candidate => candidate.name),
      ['high', 'b', 'a', 'low'],
    )
  })

  it('leaves out what is switched off, not installed, or for other protocols', () => {
    const chain = chainOf(
      [
        plugin('off', {}, { enabled: false }),
        plugin('missing', {}),
        plugin('stream', {}, { protocols: ['tcp'] }),
        plugin('on', {}),
      ],
      { off: 1, stream: 1, on: 1 },
    )
    assert.deepEqual(
      chain.candidates.map(candidate => candidate.name),
      ['on'],
    )
  })

  it('knows the global plugins, and numbers every configuration', () => {
    const chain = chainOf([plugin('p', {}), plugin('p', { route: 'r' }), plugin('q', { route: 'r' })], {
      p: 1,
      q: 1,
    })
    assert.deepEqual(
      chain.globals.map(configured => configured.name),
      ['p'],
    )
    const numbers = chain.candidates.map(c => c.find(scopeOf({ route: 'r' }))?.sequence)
    assert.equal(new Set(numbers).size, 2)
  })

  it('answers the requests of a configuration that it cannot run, and reports it', () => {
    const chain = chainOf([plugin('broken', {})], { broken: 1 })
    assert.deepEqual(chain.faults, ['broken: no good'])
    const found = chain.candidates[0]!.find(scopeOf({}))
    assert.throws(() => found?.phases.access?.(createExchange()), /no good/)
  })
})
