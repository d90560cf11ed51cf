import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

const ROOT = path.resolve(import.meta.dirname, '..', '..')

/**
 * What each room may import besides itself and the packages: the picture of docs/architecture.md as data, from the
 * ground up. The first matching line applies, so inner rooms stand above the one around them.
 */
const ALLOWED: readonly (readonly [room: string, imports: readonly string[]])[] = [
  ['foundation', []],
  ['protocol', ['foundation']],
  ['sdk', ['foundation', 'protocol']],
  ['plugins/sluice', ['sdk', 'plugins']],
  ...siblings('plugins').map(plugin => [plugin, ['sdk']] as const),
  ['events', ['foundation', 'sdk']],
  ['plugin-server', ['foundation', 'protocol', 'sdk', 'plugins', 'events']],
  ['kong/gateway', ['foundation', 'protocol', 'kong/schema', 'kong/entities']],
  ['kong', ['foundation', 'events', 'sdk']],
  ['discovery', ['foundation', 'kong']],
  ['testing', ['foundation', 'protocol', 'sdk', 'events', 'plugin-server', 'kong/gateway']],
  ['management', ['foundation', 'sdk', 'plugins', 'events', 'plugin-server/stores', 'kong']],
  // It knows the manager by its HTTP API alone; what is pure of it stands in `model`.
  ['dashboard/model', []],
  ['dashboard/api', ['dashboard/model']],
  ['dashboard', []],
  ['ops', ['foundation']],
  [
    'cli',
    [
      'foundation',
      'protocol',
      'sdk',
      'plugins',
      'events',
      'plugin-server',
      'kong',
      'discovery',
      'management',
      'testing',
      'ops',
    ],
  ],
]

const ROOMS = [
  'foundation',
  'protocol',
  'sdk',
  'plugins',
  'events',
  'plugin-server',
  'kong',
  'discovery',
  'management',
  'dashboard',
  'testing',
  'cli',
  'ops',
]

describe('the picture of the parts', () => {
  it('has no import against its arrows', () => {
    const wrong: string[] = []
    for (const file of ROOMS.flatMap(sources)) {
      for (const target of imports(file))
        if (!mayImport(file, target)) wrong.push(`${file} imports ${target}`)
    }
    assert.deepEqual(wrong, [])
  })

  it('names a place for every source file', () => {
    const homeless = ROOMS.flatMap(sources).filter(f => !ruleOf(f))
    assert.deepEqual(homeless, [])
  })

  it('has no circle of files, not even of types', () => {
    const files = [...ROOMS, 'bench', 'test'].flatMap(sources)
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

  it('brings each package that the build puts into one file by that file alone, in a plugin server', () => {
    const served = ['foundation', 'protocol', 'sdk', 'plugins', 'events', 'plugin-server', 'cli'].flatMap(
      sources,
    )
    const brings = /^(?:import|export) (?!type ).* from '(?:pino|prom-client|typebox)[^']*'/m
    assert.deepEqual(
      served.filter(file => brings.test(readFileSync(path.join(ROOT, file), 'utf8'))),
      ['foundation/log.ts', 'foundation/metrics.ts', 'foundation/typebox.ts'],
    )
  })

  it('refuses an import against an arrow', () => {
    assert.equal(mayImport('plugins/qos/plugin.ts', 'plugin-server/stores/redis.ts'), false)
    assert.equal(mayImport('plugins/qos/plugin.ts', 'plugins/circuit-breaker/plugin.ts'), false)
    assert.equal(mayImport('sdk/sdk.ts', 'plugin-server/pdk/pdk.ts'), false)
    assert.equal(mayImport('events/spool.ts', 'plugin-server/main.ts'), false)
    assert.equal(mayImport('plugins/qos/plugin.ts', 'sdk/sdk.ts'), true)
  })
})

const within = (file: string, part: string) => file === part || file.startsWith(`${part}/`)
const ruleOf = (file: string) => ALLOWED.find(([part]) => within(file, part))

function mayImport(file: string, target: string): boolean {
  const rule = ruleOf(file)
  return rule !== undefined && [rule[0], ...rule[1]].some(part => within(target, part))
}

/** The rooms inside a room, one a folder. */
function siblings(room: string): string[] {
  return readdirSync(path.join(ROOT, room), { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(entry => `${room}/${entry.name}`)
}

function sources(folder: string): string[] {
  if (!existsSync(path.join(ROOT, folder))) return []
  return readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => /\.tsx?$/.test(name))
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
