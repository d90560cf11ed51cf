import type { Collection } from '../../entities/entities.ts'
import type { AutoValues } from '../../schema/field.ts'
import {
  EMPTY_HASH,
  hashOf,
  loadDeclaration,
  parseDeclaration,
  readDeclaration,
  writeDeclaration,
} from '../state/declaration.ts'
import type { State } from '../state/state.ts'
import type { EntityStore } from '../state/store.ts'
import { type AdminRequest, type Answer, created, message, ok } from './answer.ts'
import type { Methods, Resolve } from './resources.ts'

/** The declarative configuration of a gateway without a database. */
export interface DeclarativeConfig {
  /** Of the configuration in force; zeros while there is none. */
  readonly hash: string
  /**
   * Puts a configuration, JSON or YAML, in the place of the whole state.
   *
   * @throws EntityError when it is wrong; the state stays.
   */
  load(text: string): void
  readonly resolve: Resolve
}

export function createDeclarativeConfig(
  state: State,
  store: EntityStore,
  auto: AutoValues,
): DeclarativeConfig {
  let hash = EMPTY_HASH

  const apply = (tree: Record<string, unknown>, newHash?: string) => {
    const declaration = readDeclaration(tree, store.schemas, auto, newHash)
    loadDeclaration(state, declaration)
    hash = declaration.hash
    return declaration
  }

  const post = (request: AdminRequest): Answer => {
    const { check_hash, config, flatten_errors, ...tree } = request.body
    const checksHash = String(check_hash ?? request.query.check_hash) === '1'
    if (tree._format_version !== undefined) return entitiesAnswer(apply(tree).entities)
    const text = typeof config === 'string' ? config : request.text
    if (text === '') return message(400, 'expected a declarative configuration')
    if (checksHash && hashOf(text) === hash) return { status: 304 }
    return entitiesAnswer(apply(parseDeclaration(text), hashOf(text)).entities)
  }

  const methods: Methods = { GET: () => ok({ config: writeDeclaration(state) }), POST: post }
  return {
    get hash() {
      return hash
    },
    load: text => void apply(parseDeclaration(text), hashOf(text)),
    resolve: path => (path[0] === 'config' && path.length === 1 ? methods : undefined),
  }
}

type Rows = ReadonlyMap<Collection, readonly { readonly id: string }[]>

const entitiesAnswer = (entities: Rows): Answer =>
  created(
    Object.fromEntries(
      [...entities].map(([collection, rows]) => [
        collection,
        Object.fromEntries(rows.map(row => [row.id, row])),
      ]),
    ),
  )

const DATABASE_ONLY = message(
  400,
  'this endpoint is only available when Kong is configured to not use a database',
)

/** `/config` of a gateway whose state is written through the Admin API. */
export const withoutDeclarativeConfig: Resolve = path =>
  path[0] === 'config' && path.length === 1
    ? { GET: () => DATABASE_ONLY, POST: () => DATABASE_ONLY }
    : undefined
