import type { Collection } from '../../entities/entities.ts'
import type { AutoValues } from '../../schema/field.ts'
import {
  type Declaration,
  EMPTY_HASH,
  hashOf,
  loadDeclaration,
  parseDeclaration,
  readDeclaration,
  writeDeclaration,
} from '../state/declaration.ts'
import type { DeclaredEntity } from '../state/declared.ts'
import { EntityError, invalidDeclaration } from '../state/errors.ts'
import { flattenErrors } from '../state/flatten-errors.ts'
import type { State } from '../state/state.ts'
import type { EntityStore } from '../state/store.ts'
import { type AdminRequest, type Answer, created, message, ok } from './answer.ts'
import type { Methods, Resolve } from './route.ts'

type Tree = Readonly<Record<string, unknown>>

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
  { schemas }: EntityStore,
  auto: AutoValues,
): DeclarativeConfig {
  let hash = EMPTY_HASH

  const apply = (tree: Tree, newHash?: string): Declaration => {
    const declaration = readDeclaration(tree, { schemas, auto }, newHash)
    loadDeclaration(state, declaration)
    hash = declaration.hash
    return declaration
  }

  const post = (request: AdminRequest): Answer => {
    const { flatten_errors, check_hash } = { ...request.query, ...request.body }
    const given = givenDeclaration(request)
    if (!given) return message(400, 'expected a declarative configuration')
    if (String(check_hash) === '1' && given.hash !== undefined && given.hash === hash) return { status: 304 }
    try {
      return entitiesAnswer(apply(given.tree, given.hash).entities)
    } catch (error) {
      return isTrue(flatten_errors) && error instanceof EntityError
        ? flattenedAnswer(error, given.tree)
        : raise(error)
    }
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

interface Given {
  readonly tree: Tree
  /** Of the text; undefined where the declaration is the body itself. */
  readonly hash?: string
}

/** The declaration as the body itself, as a text in its field `config`, or as the text of the body. */
function givenDeclaration({ body, text: whole }: AdminRequest): Given | undefined {
  const { check_hash: _hash, config, flatten_errors: _flatten, ...tree } = body
  if (tree._format_version !== undefined) return { tree }
  const text = typeof config === 'string' ? config : whole
  return text === '' ? undefined : { tree: parseDeclaration(text), hash: hashOf(text) }
}

const isTrue = (value: unknown): boolean => ['true', '1', 'on', 'yes'].includes(String(value).toLowerCase())

function raise(error: unknown): never {
  throw error
}

/** The same refusal with a list of the entities that are wrong. */
function flattenedAnswer({ refusal, status }: EntityError, tree: Tree): Answer {
  const { flattened, rest } = flattenErrors(refusal.fields ?? {}, tree)
  // Lua knows one empty table.
  const list = flattened.length > 0 ? flattened : {}
  return { status, body: { ...invalidDeclaration(rest).refusal, flattened_errors: list } }
}

type Declared = ReadonlyMap<Collection, readonly DeclaredEntity[]>

const entitiesAnswer = (entities: Declared): Answer =>
  created(
    Object.fromEntries(
      [...entities].map(([collection, list]) => [
        collection,
        Object.fromEntries(list.map(({ row, declared }) => [row.id, declared])),
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
