import type { KindName } from '../../kong/reconcile/kinds.ts'
import type { Queries, Statement } from '../database.ts'
import { ALIVE } from '../mirror/store.ts'

type Question = readonly [statement: Statement, values: unknown[]]

/** An entity as it is read. */
export interface ReadRow {
  readonly id: string
  readonly json: string
  readonly etag: string
  readonly expires_at: Date | null
}

/** Two, so that one that hangs does not hold up all reads. */
const MOST_QUERIES = 2

interface Waiting {
  readonly kind: KindName
  readonly id: string
  readonly resolve: (row: ReadRow | undefined) => void
  readonly reject: (error: unknown) => void
}

/**
 * Looks entities up by id. What is asked for while queries are under way shares the next one: more load makes larger
 * queries, not more of them. Each is sent after all who share it have asked, so that nobody reads what was before.
 */
export class SharedLookUps {
  readonly #database: Queries
  #waiting: Waiting[] = []
  #underWay = 0

  constructor(database: Queries) {
    this.#database = database
  }

  find(kind: KindName, id: string): Promise<ReadRow | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ kind, id: id.toLowerCase(), resolve, reject })
      if (this.#underWay < MOST_QUERIES) void this.#ask()
    })
  }

  async #ask(): Promise<void> {
    const asked = this.#waiting
    this.#waiting = []
    this.#underWay++
    try {
      const rows = await this.#rowsOf(asked)
      for (const { kind, id, resolve } of asked) resolve(rows.get(`${kind}:${id}`))
    } catch (error) {
      for (const { reject } of asked) reject(error)
    } finally {
      this.#underWay--
      if (this.#waiting.length > 0) void this.#ask()
    }
  }

  async #rowsOf(asked: readonly Waiting[]): Promise<ReadonlyMap<string, ReadRow>> {
    const [statement, values] = asked.length === 1 ? oneOf(asked) : manyOf(asked)
    const { rows } = await this.#database.query<ReadRow & { kind: KindName }>(statement, values)
    return new Map(rows.map(row => [`${row.kind}:${row.id}`, row]))
  }
}

const COLUMNS = 'kind, id, json, etag, expires_at'

const ONE = {
  name: 'entity-by-id',
  text: `select ${COLUMNS} from sluice_manager.entities where kind = $1 and id = $2 ${ALIVE}`,
}

const MANY = {
  name: 'entities-by-id',
  text: `select ${COLUMNS} from sluice_manager.entities
    where (kind, id) in (select * from unnest($1::text[], $2::uuid[])) ${ALIVE}`,
}

const oneOf = ([only]: readonly Waiting[]): Question => [ONE, [only?.kind, only?.id]]

const manyOf = (asked: readonly Waiting[]): Question => [
  MANY,
  [asked.map(({ kind }) => kind), asked.map(({ id }) => id)],
]
