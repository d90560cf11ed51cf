import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { isUuid } from '../../foundation/uuid.ts'
import { AdminRefused } from '../../kong/admin/answer.ts'
import { AdminClient } from '../../kong/admin/client.ts'
import type { Row } from '../../kong/reconcile/change.ts'
import { KIND_NAMES, KINDS, type KindName, nestingField } from '../../kong/reconcile/kinds.ts'
import { createSchemas, fetchSchemas, type Schemas } from '../../kong/reconcile/schemas.ts'
import { isObject } from '../../kong/schema/spec.ts'
import { type RunningAdmin, startAdminServer } from '../support/admin-server.ts'
import { AdminSource } from '../support/admin-source.ts'
import {
  differenceOf,
  type Verdict,
  verdictOfManager,
  verdictOfRefusal,
  type Wish,
} from '../support/verdicts.ts'

const CONTRACT = path.resolve(import.meta.dirname, '../../../test/contract')

interface Step {
  readonly target: string
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly json?: unknown
  readonly as?: string
}

/** In what the manager is stricter than Kong, or leaves the verdict to Kong, on purpose. */
const MEANT: readonly RegExp[] = [
  // Another value there would be another entity, of which an undo could not be told from a deletion.
  /: cannot be changed; delete the entity/,
  /: is not that of the path/,
  // Kong knows a certificate by one of its names, too.
  /^PUT \/certificates\/new\.example /,
  // Kong takes a reference to nothing there, and fails with it later.
  /ca_certificates: there is no CA certificate/,
  // By its name Kong does not look at the plugin's route.
  /^PATCH \/plugins\/inst .*associated route's protocols/,
  // A text in the place of a list, as forms have it.
  /snis: expected an array/,
  // Secrets are not searched: Kong says itself that one is taken, and nothing is done.
  /taken, but Kong refuses: 409 UNIQUE violation detected on '\{(key|client_id)=/,
]

const scenarios = ['kong-reference', 'kong-admin'].flatMap(folder =>
  readdirSync(path.join(CONTRACT, folder, 'scenarios'))
    .filter(file => file.startsWith('admin-'))
    .map(file => path.join(CONTRACT, folder, 'scenarios', file)),
)

describe('the manager refuses what a recorded Kong refused, at the same place', function () {
  this.timeout(120_000)
  let compared = 0

  for (const file of scenarios)
    it(`in ${path.parse(file).name}`, async () => {
      const { steps } = JSON.parse(readFileSync(file, 'utf8')) as { steps: readonly Step[] }
      const kong = await startAdminServer()
      try {
        const found = await new Walk(kong).through(steps)
        compared += found.compared
        assert.deepEqual(found.differences, [])
      } finally {
        await kong.close()
      }
    })

  it('in hundreds of requests', () => assert.ok(compared > 300, `${compared}`))
})

/** Sends the requests of a scenario, and asks the manager before each that makes or changes an entity. */
class Walk {
  readonly #client: AdminClient
  readonly #source: AdminSource
  readonly #kept: Record<string, unknown> = {}
  #schemas: Schemas | undefined

  constructor(kong: RunningAdmin) {
    this.#client = new AdminClient({ url: kong.url })
    this.#source = new AdminSource(this.#client)
  }

  async through(steps: readonly Step[]): Promise<{ compared: number; differences: string[] }> {
    const { enabled_plugins: plugins } = (await this.#client.request('GET', '/plugins/enabled')) as {
      enabled_plugins: string[]
    }
    this.#schemas = createSchemas(await fetchSchemas(this.#client, plugins, ['env']))
    let compared = 0
    const differences: string[] = []
    try {
      for (const template of steps) {
        const step = filled(template, this.#kept) as Step
        // A page that was not there has no next one.
        if (step.target !== 'admin' || !step.path.startsWith('/')) continue
        const wish = await this.#wishOf(step)
        const manager = wish && (await this.#ask(wish))
        const kong = await this.#send(step, wish)
        if (!manager || !kong) continue
        compared++
        const difference = differenceOf(manager, kong, wish)
        if (difference === undefined) continue
        const sentence = `${step.method} ${step.path} ${JSON.stringify(step.json)}: ${difference}`
        if (!MEANT.some(pattern => pattern.test(sentence))) differences.push(sentence)
      }
    } finally {
      await this.#client.close()
    }
    return { compared, differences }
  }

  #ask(wish: Wish): Promise<Verdict> {
    if (!this.#schemas) throw new Error('no schemas')
    return verdictOfManager(wish, { source: this.#source, schemas: this.#schemas, client: this.#client })
  }

  /** @returns undefined for what is no verdict on a body: a path that leads nowhere, a method that is not taken. */
  async #send(
    { method = 'GET', path: at, json, as }: Step,
    wish: Wish | undefined,
  ): Promise<Verdict | undefined> {
    try {
      const body = await this.#client.request(method, at, json)
      if (as !== undefined) this.#kept[as] = body
      return { isTaken: true, content: [], conflicts: [], isPlaced: true, text: '' }
    } catch (error) {
      if (!(error instanceof AdminRefused)) throw error
      return wish && error.refusal.code !== undefined && error.status !== 404
        ? verdictOfRefusal(wish, error)
        : undefined
    }
  }

  /** What a request means as an operation of the manager; undefined where it means none. */
  async #wishOf({ method = 'GET', path: at, json }: Step): Promise<Wish | undefined> {
    const action = ACTIONS[method]
    if (action === undefined || !isObject(json) || at.includes('?')) return undefined
    const [outer = '', first, inner, second] = at.slice(1).split('/').map(decodeURIComponent)
    const kind = KIND_NAMES.find(name => KINDS[name].path === outer)
    if (kind === undefined) return undefined
    if (inner === undefined) return wishFor(action, kind, first, json)
    const owner = first === undefined ? undefined : await this.#source.find(kind, first)
    const nested = KIND_NAMES.find(name => KINDS[name].nestedPath === inner && nestingField(kind, name))
    const field = nested && nestingField(kind, nested)
    if (!owner || nested === undefined || field === undefined) return undefined
    // The manager knows an ACL group by its id alone.
    if (nested === 'acls' && second !== undefined && !isUuid(second)) return undefined
    return wishFor(action, nested, second, { ...json, [field]: { id: owner.id } })
  }
}

const ACTIONS: Readonly<Record<string, Wish['action']>> = { POST: 'create', PUT: 'replace', PATCH: 'update' }

function wishFor(
  action: Wish['action'],
  kind: KindName,
  key: string | undefined,
  body: Row,
): Wish | undefined {
  if ((action === 'create') !== (key === undefined)) return undefined
  return { action, kind, body, ...(key !== undefined && { key }) }
}

/** With what was kept of earlier answers in the place of `{{name.field}}`. */
function filled(value: unknown, kept: Readonly<Record<string, unknown>>): unknown {
  if (typeof value === 'string')
    return value.replace(/\{\{([^}]+)\}\}/g, (whole, expression: string) => {
      if (expression === 'upstream') return 'http://upstream.test'
      const found = expression
        .split('.')
        .reduce<unknown>(
          (at, name) => (isObject(at) || Array.isArray(at) ? (at as Row)[name] : undefined),
          kept,
        )
      return found === undefined ? whole : String(found)
    })
  if (Array.isArray(value)) return value.map(item => filled(item, kept))
  return isObject(value)
    ? Object.fromEntries(Object.entries(value).map(([name, item]) => [name, filled(item, kept)]))
    : value
}
