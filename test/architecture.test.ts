import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

const ROOT = path.resolve(import.meta.dirname, '..', '..')

/**
 * What each part may import besides itself and the packages: the picture of docs/architecture.md as data.
 * The first matching line rules, so the finer parts stand above the coarser ones.
 */
const ALLOWED: readonly (readonly [part: string, imports: readonly string[]])[] = [
  ['plugin-server/errors.ts', []],
  ['plugin-server/clock.ts', []],
  ['plugin-server/bounded-map.ts', []],
  ['plugin-server/typebox.ts', []],
  ['plugin-server/config.ts', ['plugin-server/errors.ts']],
  ['plugin-server/observe', ['plugin-server/errors.ts', 'plugin-server/clock.ts', 'plugin-server/config.ts']],
  ['plugin-server/stores', ['plugin-server/errors.ts', 'plugin-server/clock.ts', 'plugin-server/observe']],
  [
    'plugin-server/transport',
    ['plugin-server/bounded-map.ts', 'plugin-server/errors.ts', 'plugin-server/observe'],
  ],
  ['plugin-server/pdk', ['plugin-server/errors.ts', 'plugin-server/transport', 'plugin-server/observe']],
  [
    'plugin-server/definition.ts',
    [
      'plugin-server/clock.ts',
      'plugin-server/config.ts',
      'plugin-server/observe',
      'plugin-server/pdk',
      'plugin-server/stores',
      'events/event.ts',
    ],
  ],
  [
    'plugin-server/sdk.ts',
    [
      'plugin-server/definition.ts',
      'plugin-server/errors.ts',
      'plugin-server/clock.ts',
      'plugin-server/bounded-map.ts',
      'plugin-server/config.ts',
      'plugin-server/observe',
      'plugin-server/pdk',
      'plugin-server/stores',
      'plugin-server/runtime/compose.ts',
      'plugin-server/typebox.ts',
      'events/event.ts',
    ],
  ],
  [
    'plugin-server/runtime',
    [
      'plugin-server/errors.ts',
      'plugin-server/clock.ts',
      'plugin-server/config.ts',
      'plugin-server/observe',
      'plugin-server/pdk',
      'plugin-server/transport',
      'plugin-server/definition.ts',
      'plugin-server/typebox.ts',
      'events/event.ts',
    ],
  ],
  ['plugin-server/main.ts', ['plugin-server', 'plugins', 'events']],
  ['plugins/qos', ['plugin-server/sdk.ts']],
  ['plugins/key-auth-audit', ['plugin-server/sdk.ts']],
  ['plugins/circuit-breaker', ['plugin-server/sdk.ts']],
  ['plugins', ['plugin-server/sdk.ts', 'plugins']],
  [
    'plugin-server/doctor',
    [
      'plugin-server',
      'events',
      'kong/admin',
      'kong/reconcile/kinds.ts',
      'kong/reconcile/label.ts',
      'kong/reconcile/warnings.ts',
    ],
  ],
  ['plugin-server', ['plugin-server', 'plugins', 'events']],
  [
    'events',
    [
      'plugin-server/errors.ts',
      'plugin-server/clock.ts',
      'plugin-server/bounded-map.ts',
      'plugin-server/observe',
      'plugin-server/typebox.ts',
    ],
  ],
  [
    'kong/gateway',
    [
      'kong/schema',
      'plugin-server/errors.ts',
      'plugin-server/config.ts',
      'plugin-server/observe',
      'plugin-server/transport',
      'plugin-server/clock.ts',
    ],
  ],
  ['kong/harness', ['kong/gateway', 'plugin-server', 'events']],
  ['kong/admin', ['plugin-server/errors.ts']],
  ['kong/reconcile', ['kong/admin', 'kong/schema', 'plugin-server/errors.ts', 'events']],
  ['kong', ['kong', 'plugin-server/errors.ts', 'events']],
  ['ops', ['plugin-server/errors.ts', 'ops']],
  ['cli', ['plugin-server', 'plugins', 'events', 'kong', 'ops']],
]

const FOLDERS = ['plugins', 'plugin-server', 'events', 'kong', 'cli', 'ops']

describe('the picture of the parts', () => {
  it('has no import against its arrows', () => {
    const wrong: string[] = []
    for (const file of FOLDERS.flatMap(sources)) {
      for (const target of imports(file))
        if (!mayImport(file, target)) wrong.push(`${file} imports ${target}`)
    }
    assert.deepEqual(wrong, [])
  })

  it('names a place for every source file', () => {
    const homeless = FOLDERS.flatMap(sources).filter(f => !ruleOf(f))
    assert.deepEqual(homeless, [])
  })

  it('has no circle of files, not even of types', () => {
    const files = [...FOLDERS, 'bench', 'test'].flatMap(sources)
    assert.deepEqual(circles(new Map(files.map(file => [file, imports(file)]))), [])
  })

  it('sees a circle', () => {
    const graph = new Map([
      ['a', ['b', 'd']],
      ['b', ['c']],
      ['c', ['a']],
      ['d', []],
    ])
    assert.deepEqual(circles(graph), [['a', 'b', 'c']])
  })

  it('refuses an import against an arrow', () => {
    assert.equal(mayImport('plugins/qos/plugin.ts', 'plugin-server/stores/redis.ts'), false)
    assert.equal(mayImport('events/spool.ts', 'plugin-server/main.ts'), false)
    assert.equal(mayImport('plugins/qos/plugin.ts', 'plugin-server/sdk.ts'), true)
  })
})

const within = (file: string, part: string) => file === part || file.startsWith(`${part}/`)
const ruleOf = (file: string) => ALLOWED.find(([part]) => within(file, part))

function mayImport(file: string, target: string): boolean {
  const rule = ruleOf(file)
  return rule !== undefined && [rule[0], ...rule[1]].some(part => within(target, part))
}

function sources(folder: string): string[] {
  if (!existsSync(path.join(ROOT, folder))) return []
  return readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => path.join(folder, name))
}

function imports(file: string): string[] {
  const text = readFileSync(path.join(ROOT, file), 'utf8')
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map(([, name]) =>
    path.join(path.dirname(file), name!),
  )
}

/** Each way round that a search from file to file comes upon; none exactly where the graph has no circle. */
function circles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = []
  const done = new Set<string>()
  const visit = (file: string, way: readonly string[]): void => {
    const begin = way.indexOf(file)
    if (begin >= 0) found.push(way.slice(begin))
    if (begin >= 0 || done.has(file)) return
    for (const target of graph.get(file) ?? []) visit(target, [...way, file])
    done.add(file)
  }
  for (const file of graph.keys()) visit(file, [])
  return found
}
