import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { idIn } from '../../kong/reconcile/change.ts'
import { TIMING, type Timing } from '../../management/changes/timing.ts'
import type { RunningAdmin } from '../support/admin-server.ts'
import type { Fate, FaultyAdmin } from '../support/faulty-admin.ts'
import { useFaultyManager } from '../support/faulty-manager.ts'
import type { Answer, RunningManager } from '../support/manager.ts'
import { START_MS } from '../support/services.ts'
import { until } from '../support/until.ts'

/** 1,000 by hand: SLUICE_TEST_CHANGES=1000. */
const CHANGES = Number(process.env.SLUICE_TEST_CHANGES ?? 25)
const SEED = Number(process.env.SLUICE_TEST_SEED ?? Math.floor(Math.random() * 1e9))
const timing: Timing = {
  ...TIMING,
  settle: { waitMs: 40, forMs: 200 },
  driftEveryMs: 300,
  driftPauseFactor: 5,
}

type Kind = 'services' | 'routes' | 'consumers' | 'keyauth_credentials'
const KINDS: readonly Kind[] = ['services', 'routes', 'consumers', 'keyauth_credentials']
const PATHS: Readonly<Record<Kind, string>> = {
  ...{ services: 'services', routes: 'routes', consumers: 'consumers', keyauth_credentials: 'key-auths' },
}
/** What the model keeps of an entity. */
const FIELDS: Readonly<Record<Kind, readonly string[]>> = {
  services: ['name', 'host', 'port', 'tags'],
  routes: ['name', 'paths', 'service', 'tags'],
  consumers: ['username', 'custom_id', 'tags'],
  keyauth_credentials: ['key', 'consumer', 'tags'],
}
type Fields = Readonly<Record<string, unknown>>
type State = ReadonlyMap<string, Fields>
interface Op {
  readonly action: 'create' | 'update' | 'delete'
  readonly kind: Kind
  /** Index into what there is, or what a new one is made of. */
  readonly pick: number
  readonly value: number
}

const op: fc.Arbitrary<Op> = fc.record({
  action: fc.constantFrom('create', 'create', 'update', 'update', 'delete'),
  kind: fc.constantFrom(...KINDS),
  pick: fc.nat(1_000),
  value: fc.nat(9),
})
type FateName = 'pass' | 'lose-request' | 'lose-answer' | 'late' | 'broken' | 'refused'
const fates: fc.Arbitrary<readonly FateName[]> = fc.array(
  fc.constantFrom<FateName>(
    'pass',
    'pass',
    'pass',
    'lose-request',
    'lose-answer',
    'late',
    'broken',
    'refused',
  ),
  { minLength: 1, maxLength: 4 },
)

/** Why the model would not make an operation. */
class Refused extends Error {}

/** The states before and after an applied change. */
interface Applied {
  readonly id: string
  readonly before: State
  readonly after: State
}

/** What is gone already needs no deletion. @throws Refused where it is not as it was left. */
function deletable(key: string, left: Fields, now: Fields | undefined): string {
  if (now && !isDeepStrictEqual(now, left)) throw new Refused('changed')
  return key
}

/** The state as it is after operations. @throws Refused */
class Model {
  #state: State

  constructor(state: State = new Map()) {
    this.#state = state
  }

  get state(): State {
    return this.#state
  }

  keysOf(kind: Kind): readonly string[] {
    return [...this.#state.keys()].filter(key => key.startsWith(`${kind} `))
  }

  /** Makes all or none. */
  apply(operations: readonly Operation[]): void {
    const next = new Map(this.#state)
    // As Kong's rules are: deletions free names, parents come before what refers to them.
    const order = (one: Operation) =>
      one.action === 'delete' ? -KINDS.indexOf(one.kind) - 1 : KINDS.indexOf(one.kind)
    for (const one of [...operations].sort((a, b) => order(a) - order(b))) make(next, one)
    this.#state = next
  }

  /**
   * Takes an applied change back.
   *
   * @throws Refused where others have changed since what it would put back or delete.
   */
  undo({ before, after }: Applied): void {
    const next = new Map(this.#state)
    for (const key of new Set([...before.keys(), ...after.keys()])) {
      const [was, left, now] = [before.get(key), after.get(key), this.#state.get(key)]
      if (was && left) this.#putBack(next, key, [was, left, now])
      else if (left) next.delete(deletable(key, left, now))
      else if (now) throw new Refused('there again')
      else if (was) next.set(key, was)
    }
    for (const { service, consumer } of next.values())
      for (const [kind, id] of [['services', idIn(service)] as const, ['consumers', idIn(consumer)] as const])
        if (id !== undefined && !next.has(`${kind} ${id}`)) throw new Refused('a reference leads nowhere')
    this.#state = next
  }

  #putBack(
    next: Map<string, Fields>,
    key: string,
    [was, left, now]: readonly [Fields, Fields, Fields | undefined],
  ): void {
    const changed = Object.keys(left).filter(name => !isDeepStrictEqual(was[name], left[name]))
    if (changed.length === 0) return
    if (!now || changed.some(name => !isDeepStrictEqual(now[name], left[name]))) throw new Refused('changed')
    next.set(key, { ...now, ...Object.fromEntries(changed.map(name => [name, was[name]])) })
  }
}

/** @throws Refused */
function make(state: Map<string, Fields>, { action, kind, id, fields }: Operation): void {
  const key = `${kind} ${id}`
  const present = state.get(key)
  if (action === 'delete') remove(state, kind, id)
  else if (action === 'update' && !present) throw new Refused('not there')
  else state.set(key, { ...present, ...fields })
}

/** @throws Refused */
function remove(state: Map<string, Fields>, kind: Kind, id: string): void {
  if (!state.delete(`${kind} ${id}`)) throw new Refused('not there')
  for (const [key, fields] of state) {
    if (idIn(fields.service) === id) throw new Refused('referenced')
    if (idIn(fields.consumer) === id) state.delete(key)
  }
}

interface Operation {
  readonly action: Op['action']
  readonly kind: Kind
  readonly id: string
  readonly fields: Fields
}

describe('random changes with faults', function () {
  this.timeout(START_MS + CHANGES * 20_000)
  let kong: RunningAdmin
  let faulty: FaultyAdmin
  let manager: RunningManager
  useFaultyManager({ timing }, made => {
    ;({ kong, faulty, manager } = made)
  })

  const model = new Model()
  let made = 0

  /** What the operation says of entities that there are; undefined where there is none. */
  const toOperation = ({ action, kind, pick, value }: Op): Operation | undefined => {
    const keys = model.keysOf(kind)
    const idAt = (of: Kind) => {
      const all = model.keysOf(of)
      return all.length === 0 ? undefined : { id: all[pick % all.length]?.split(' ')[1] }
    }
    const tags = value % 3 === 0 ? null : [`t${value}`]
    const changed: Readonly<Record<Kind, Fields>> = {
      services: { port: 8000 + value, tags },
      routes: { paths: [`/p${value}`], tags },
      consumers: { custom_id: `c-${++made}`, tags },
      keyauth_credentials: { key: `key-${made}`, tags },
    }
    if (action !== 'create') {
      if (keys.length === 0) return undefined
      const id = keys[pick % keys.length]?.split(' ')[1] ?? ''
      return { action, kind, id, fields: action === 'delete' ? {} : changed[kind] }
    }
    const own: Readonly<Record<Kind, Fields | undefined>> = {
      services: { name: `s${made}`, host: `h${value}.test` },
      routes: { name: `r${made}`, service: idAt('services') ?? null },
      consumers: { username: `u${made}` },
      keyauth_credentials: idAt('consumers') && { consumer: idAt('consumers') },
    }
    const fields = own[kind]
    return fields && { action, kind, id: randomUUID(), fields: { ...changed[kind], ...fields } }
  }

  const decideBy = (names: readonly FateName[]) => {
    let writes = 0
    // Where Kong refuses to undo, too, the change is stuck, and rightly so.
    const first = names.indexOf('refused')
    faulty.decide = (method): Fate => {
      if (method === 'GET' || writes >= names.length) return 'pass'
      const at = writes++
      const name = names[at] === 'refused' && at !== first ? 'pass' : names[at]
      switch (name) {
        case 'late':
          return { late: new Promise(resolve => setTimeout(resolve, 60)) }
        case 'broken':
          return { status: 500, body: { message: 'An unexpected error occurred' } }
        case 'refused':
          return {
            status: 400,
            body: { message: 'refused', name: 'schema violation', code: 2, fields: { tags: 'no' } },
          }
        default:
          return name ?? 'pass'
      }
    }
  }

  const inKong = (): State =>
    new Map(
      KINDS.flatMap(kind =>
        kong.state.list(kind).map(row => {
          const fields = FIELDS[kind].map(name => [name, (row as Fields)[name] ?? null] as const)
          return [`${kind} ${String(row.id)}`, Object.fromEntries(fields)] as const
        }),
      ).sort(([a], [b]) => (a < b ? -1 : 1)),
    )
  const expected = (): State => new Map([...model.state].sort(([a], [b]) => (a < b ? -1 : 1)))
  /** What the manager shows, secrets masked. */
  const shown = async () => {
    const pages = await Promise.all(KINDS.map(kind => manager.call('GET', `/v1/${PATHS[kind]}?size=1000`)))
    return pages.flatMap(({ body }) => body.data.map((row: Fields) => row)).sort(byId)
  }
  const byId = (a: Fields, b: Fields) => (String(a.id) < String(b.id) ? -1 : 1)
  const rows = () =>
    KINDS.flatMap(kind =>
      kong.state
        .list(kind)
        .map(row => ({ ...row, ...(kind === 'keyauth_credentials' && { key: '[masked]' }) })),
    ).sort(byId)

  const stateOf = async ({ headers, status }: Answer): Promise<string> => {
    const id = headers.get('sluice-change')
    if (id === null) {
      assert.ok(status >= 400, String(status))
      return 'refused'
    }
    let state = ''
    await until('the change has ended', async () => {
      state = (await manager.call('GET', `/v1/changes/${id}`)).body.state
      return ['applied', 'undone', 'stuck', 'refused'].includes(state)
    })
    return state
  }

  const applied: Applied[] = []
  /** What has changed nothing cannot be undone. */
  const note = (id: string, before: State) => {
    if (!isDeepStrictEqual(model.state, before)) applied.push({ id, before, after: model.state })
  }
  /** Takes an earlier change back, where the model can. */
  const undo = async (earlier: Applied): Promise<string> => {
    const before = model.state
    const answer = await manager.call('POST', `/v1/changes/${earlier.id}/undo?irreversible=accept`)
    const state = await stateOf(answer)
    await faulty.lateWritesDone()
    const what = `the undo of ${earlier.id} is ${state}: ${answer.text}`
    assert.notEqual(state, 'stuck', what)
    if (state === 'applied') {
      assert.doesNotThrow(() => model.undo(earlier), what)
      note(String(answer.body.id), before)
    } else if (state === 'refused' && !/"(taken|reference)"/.test(answer.text))
      assert.throws(() => new Model(before).undo(earlier), Refused, what)
    assert.deepEqual([...inKong()], [...expected()], what)
    assert.deepEqual(await shown(), rows(), what)
    return state
  }

  it(`leave Kong and the mirror as the model says (seed ${SEED})`, async () => {
    const counts: Record<string, number> = {}
    const samples = fc.sample(fc.tuple(fc.array(op, { minLength: 1, maxLength: 5 }), fates), {
      ...{ numRuns: CHANGES, seed: SEED },
    })
    for (const [i, [ops, names]] of samples.entries()) {
      const byEntity = new Map<string, Operation>()
      for (const one of ops) {
        const operation = toOperation(one)
        if (operation && !byEntity.has(operation.id)) byEntity.set(operation.id, operation)
      }
      const operations = [...byEntity.values()]
      if (operations.length === 0) continue
      decideBy(i % 3 === 0 ? names : [])
      const answer = await manager.call('POST', '/v1/changes?irreversible=accept', {
        operations: operations.map(({ action, kind, id, fields }) => ({
          ...{ action, kind: PATHS[kind] },
          ...(action === 'create'
            ? { body: { ...fields, id } }
            : { key: id, ...(action === 'update' && { body: fields }) }),
        })),
      })
      const state = await stateOf(answer)
      await faulty.lateWritesDone()
      const what = `change ${i} is ${state}: ${JSON.stringify(operations)} ${answer.text}`
      assert.notEqual(state, 'stuck', what)
      counts[state] = (counts[state] ?? 0) + 1
      if (state === 'applied') {
        const before = model.state
        model.apply(operations)
        note(answer.headers.get('sluice-change') ?? '', before)
      }
      assert.deepEqual([...inKong()], [...expected()], what)
      assert.deepEqual(await shown(), rows(), what)
      const earlier = i % 2 === 1 ? applied.at(-1 - (i % 7)) : undefined
      if (earlier) {
        decideBy(i % 5 === 0 ? names : [])
        const undone = await undo(earlier)
        counts[`undo ${undone}`] = (counts[`undo ${undone}`] ?? 0) + 1
      }
    }
    if (CHANGES > 100) console.log(`      ${JSON.stringify(counts)}`)
    assert.ok((counts.applied ?? 0) > 0, JSON.stringify(counts))
    if (CHANGES > 100) assert.ok((counts.undone ?? 0) > 0, JSON.stringify(counts))
    assert.deepEqual(kong.errors, [])
  })
})
