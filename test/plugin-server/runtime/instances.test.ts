import assert from 'node:assert/strict'
import type { Clock } from '../../../foundation/clock.ts'
import { createLogger } from '../../../foundation/log.ts'
import { readValue } from '../../../plugin-server/runtime/configuration.ts'
import { createInstanceTable, type InstanceTable } from '../../../plugin-server/runtime/instance-table.ts'
import { createInstances } from '../../../plugin-server/runtime/instances.ts'
import { createRegistry } from '../../../plugin-server/runtime/registry.ts'
import { composePlugins, definePlugin, type Host, Type } from '../../../sdk/sdk.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

let nowMs = 0
const clock: Clock = { now: () => nowMs, monotonic: () => nowMs }
const closed: string[] = []

const limits = definePlugin({
  name: 'limits',
  version: '1.0.0',
  priority: 1,
  config: Type.Object({
    requests: Type.Integer({ default: 5, minimum: 1 }),
    tags: Type.Array(Type.String(), { default: [] }),
    tiers: Type.Record(
      Type.String(),
      Type.Object({ share: Type.Number({ default: 0.5, exclusiveMinimum: 0 }) }),
      {
        default: {},
      },
    ),
    mode: Type.Union([Type.Literal('strict'), Type.Literal('leased')], { default: 'leased' }),
    note: Type.Optional(Type.String({ minLength: 2 })),
    inner: Type.Object({ on: Type.Boolean({ default: true }) }),
  }),
  memory: () => ({ instances: 0 }),
  instance(config, { memory }) {
    if (config.requests === 666) throw new Error('requests: 666 is the number of the beast')
    memory.instances++
    return { close: () => closed.push(`closed ${config.requests}`) }
  },
  phases: { access: () => {} },
})

/** Instances with the table of their ids, as a server without workers joins them. */
function create(firstId = 100) {
  const registry = createRegistry([limits], () => ({ log: createLogger('silent') }) as unknown as Host)
  const instances = createInstances(registry, clock)
  const table: InstanceTable = createInstanceTable(clock, firstId)
  return {
    get size() {
      return instances.size
    },
    start(name: string, json: string) {
      const read = instances.read(name, json)
      const { id, isNew } = table.start(read.key, read.entity)
      return isNew ? instances.adopt(id, read) : instances.status(id)!
    },
    find: (id: number) => instances.find(id),
    close: (id: number) => table.close(id),
    collect() {
      const old = table.collect(id => instances.usedAtMs(id))
      for (const id of old) instances.forget(id)
      return old.length
    },
  }
}
type Joined = ReturnType<typeof create>
const start = (instances: Joined, config: object) => instances.start('limits', JSON.stringify(config)).id
const configOf = (instances: Joined, id: number) => instances.find(id)!.members[0]!.context.config

describe('an instance', () => {
  beforeEach(() => {
    nowMs = 1_000_000
    closed.length = 0
  })

  it('has the defaults of its configuration at every depth, and what Lua can not express mended', () => {
    const instances = create()
    const id = start(instances, { tags: {}, tiers: { gold: {} }, note: null, unknown_to_us: 1, __ws_id: 'w' })
    assert.deepEqual(configOf(instances, id), {
      requests: 5,
      tags: [],
      tiers: { gold: { share: 0.5 } },
      mode: 'leased',
      inner: { on: true },
    })
  })

  it('knows the scope that Kong bound it to', () => {
    const instances = create()
    const id = start(instances, {
      __plugin_id: 'p',
      __ws_id: 'w',
      route_id: 'r',
      plugin_instance_name: 'mine',
    })
    assert.deepEqual(instances.find(id)!.members[0]!.context.scope, {
      pluginId: 'p',
      workspaceId: 'w',
      routeId: 'r',
      instanceName: 'mine',
    })
  })

  it('is refused with the path of every wrong field, and never with its value', () => {
    const wrong = {
      requests: 0,
      mode: 'secret-1',
      note: 'x',
      tiers: { gold: { share: 'secret-2' } },
      tags: 'secret-3',
    }
    assert.throws(
      () => start(create(), wrong),
      (error: Error) => {
        for (const place of [
          'requests must be at least 1',
          'mode must be one of',
          'note must',
          'tiers.gold.share',
          'tags must',
        ])
          assert.ok(error.message.includes(`config.${place}`), `${place} in: ${error.message}`)
        return !error.message.includes('secret')
      },
    )
    assert.throws(() => start(create(), { requests: 666 }), {
      code: 'SLUICE_PLUGIN_CONFIG',
      message: /666 is the number/,
    })
    assert.throws(() => create().start('limits', 'nonsense'), { code: 'SLUICE_PLUGIN_CONFIG' })
    assert.throws(() => create().start('other', '{}'), { code: 'SLUICE_PLUGIN_UNKNOWN' })
  })

  it('is refused beyond the bounds that its plugin declares, and not at them', () => {
    const config = Type.Object({
      above: Type.Optional(Type.Number({ gt: 1 })),
      below: Type.Optional(Type.Number({ lt: 9 })),
      short: Type.Optional(Type.String({ maxLength: 3 })),
      list: Type.Optional(Type.Array(Type.Number(), { maxItems: 2 })),
      record: Type.Optional(Type.Object({ on: Type.Optional(Type.Boolean()) })),
    })
    const plugin = definePlugin({
      name: 'bounded',
      version: '1.0.0',
      priority: 1,
      config,
      phases: { access: () => {} },
    })
    const registry = createRegistry([plugin], () => ({ log: createLogger('silent') }) as unknown as Host)
    const read = (json: string) => createInstances(registry, clock).read('bounded', json).config
    const good = '{"above":1.01,"below":8.99,"short":"abc","list":[1,2],"record":{"on":true}}'
    assert.deepEqual(read(good), JSON.parse(good))
    for (const [field, value] of [
      ['above', '1'],
      ['above', '1e999'],
      ['below', '9'],
      ['short', '"abcd"'],
      ['list', '[1,2,3]'],
      ['record', '[1]'],
    ])
      assert.throws(() => read(`{"${field}":${value}}`), new RegExp(`config.${field}`), `${field}: ${value}`)
  })

  it('has one of the alternatives of a union', () => {
    const either = { anyOf: [{ type: 'array', items: { type: 'number' } }, { type: 'boolean' }] }
    const problemsOf = (value: unknown) => {
      const problems: string[] = []
      readValue(either, value, 'x', problems)
      return problems
    }
    for (const good of [true, [], [1]]) assert.deepEqual(problemsOf(good), [])
    for (const wrong of ['x', ['x'], 1]) assert.equal(problemsOf(wrong).length, 1)
  })

  it('is one for all workers of Kong, whatever their sequence, key and order of fields', () => {
    const instances = create()
    const one = start(instances, { __plugin_id: 'p', __seq__: 1, __key__: 'a', requests: 7, mode: 'strict' })
    const two = start(instances, { mode: 'strict', requests: 7, __key__: 'b', __seq__: 9, __plugin_id: 'p' })
    assert.equal(two, one)
    assert.equal(instances.size, 1)
  })

  it('differs by configuration, by plugin entity and by scope, also where the sequence is the same', () => {
    const instances = create()
    const configs = [
      { __plugin_id: 'p', __seq__: 1, requests: 7 },
      { __plugin_id: 'p', __seq__: 1, requests: 8 },
      { __plugin_id: 'q', __seq__: 1, requests: 7 },
      { __plugin_id: 'p', __seq__: 1, requests: 7, route_id: 'r' },
    ]
    assert.equal(new Set(configs.map(config => start(instances, config))).size, 4)
  })

  it('has ids from a base of its server, so that a restart does not repeat them', () => {
    assert.notEqual(start(create(1000), {}), start(create(5000), {}))
    const last = create(0x7fff_fffe)
    const ids = [1, 2, 3].map(requests => start(last, { requests }))
    assert.deepEqual(ids, [0x7fff_ffff, 1, 2])
  })

  it('shares what its plugin remembers with those before it', () => {
    const instances = create()
    const first = instances.find(start(instances, { requests: 1 }))!.members[0]!.context.memory
    const second = instances.find(start(instances, { requests: 2 }))!.members[0]!.context.memory
    assert.equal(second, first)
    assert.deepEqual(second, { instances: 2 })
  })

  it('stays while one of the workers that started it has not closed it', () => {
    const instances = create()
    const id = start(instances, { __plugin_id: 'p' })
    start(instances, { __plugin_id: 'p' })
    instances.close(id)
    nowMs += HOUR_MS
    assert.equal(instances.collect(), 0)
    assert.ok(instances.find(id))
  })

  it('shares what its plugin remembers with a composed plugin, whose fields decide who takes part', () => {
    const both = composePlugins('both', '1.0.0', [limits])
    const registry = createRegistry(
      [limits, both],
      () => ({ log: createLogger('silent') }) as unknown as Host,
    )
    const instances = createInstances(registry, clock)
    instances.adopt(1, instances.read('limits', '{}'))
    instances.adopt(2, instances.read('both', '{"limits":{}}'))
    assert.deepEqual(registry.find('limits').memory, { instances: 2 })
    assert.throws(
      () => instances.adopt(3, instances.read('both', '{}')),
      /give at least one of config\.limits/,
    )
    assert.throws(() => createRegistry([limits, limits], () => registry.find('limits').host), {
      code: 'SLUICE_PLUGIN_INVALID',
    })
  })

  it('leaves what its plugin remembers to be closed with the others, also where one of them cannot be', async () => {
    const memories: string[] = []
    const remembering = (name: string, close: () => void) =>
      definePlugin({
        name,
        version: '1.0.0',
        priority: 1,
        config: Type.Object({}),
        memory: () => ({ close }),
        phases: { access: () => {} },
      })
    const registry = createRegistry(
      [
        remembering('stuck', () => assert.fail('on purpose')),
        remembering('good', () => memories.push('closed')),
      ],
      () => ({ log: createLogger('silent') }) as unknown as Host,
    )
    for (const { memory } of registry.plugins.values()) assert.ok(memory)
    await registry.close()
    assert.deepEqual(memories, ['closed'])
  })

  it('that cannot be closed, at once or later, is told of by its plugin', async () => {
    const told: unknown[] = []
    const log = createLogger('silent')
    log.warn = (about: unknown) => void told.push((about as { reason: string }).reason)
    const stubborn = definePlugin({
      name: 'stubborn',
      version: '1.0.0',
      priority: 1,
      config: Type.Object({ later: Type.Boolean() }),
      instance: ({ later }) => ({
        close: later ? () => Promise.reject(new Error('later')) : () => assert.fail('at once'),
      }),
      phases: { access: () => {} },
    })
    const registry = createRegistry([stubborn], () => ({ log }) as unknown as Host)
    const instances = createInstances(registry, clock)
    for (const later of [true, false]) {
      instances.adopt(Number(later), instances.read('stubborn', JSON.stringify({ later })))
      instances.forget(Number(later))
    }
    await new Promise(resolve => setImmediate(resolve))
    assert.deepEqual(told.sort(), ['at once', 'later'])
  })

  it('is served for a while after its last close, for requests that hold its id already, and then forgotten', () => {
    const instances = create()
    const id = start(instances, { requests: 3 })
    instances.close(id)
    assert.ok(instances.find(id))
    nowMs += 2 * MINUTE_MS
    assert.equal(instances.collect(), 1)
    assert.equal(instances.find(id), undefined)
    assert.deepEqual(closed, ['closed 3'])
  })

  it('that Kong reset without closing is collected once a newer one is there, and at last by disuse', () => {
    const instances = create()
    const old = start(instances, { __plugin_id: 'p', requests: 1 })
    const next = start(instances, { __plugin_id: 'p', requests: 2 })
    nowMs += 11 * MINUTE_MS
    assert.ok(instances.find(next))
    assert.equal(instances.collect(), 1)
    assert.equal(instances.find(old), undefined)
    nowMs += 5 * HOUR_MS
    assert.equal(instances.collect(), 0)
    nowMs += 2 * HOUR_MS
    assert.equal(instances.collect(), 1)
    assert.equal(instances.size, 0)
  })

  it('is not collected while it is used', () => {
    const instances = create()
    const id = start(instances, { __plugin_id: 'p', requests: 1 })
    start(instances, { __plugin_id: 'p', requests: 2 })
    for (let i = 0; i < 30; i++) {
      nowMs += 5 * MINUTE_MS
      assert.ok(instances.find(id))
      instances.collect()
    }
    assert.ok(instances.find(id))
  })
})
