import { COLLECTIONS, type Collection, ENTITIES, type EntityDefinition } from '../entities/entities.ts'

/** Runtime data, which is not declared. */
type RuntimeData = 'oauth2_tokens' | 'sessions' | 'acme_storage'

const RUNTIME_DATA: ReadonlySet<Collection> = new Set<RuntimeData>([
  'oauth2_tokens',
  'sessions',
  'acme_storage',
])

/** A kind of entity that can be declared, by Kong's own name. */
export type KindName = Exclude<Collection, RuntimeData>

/** What is known of a kind: see kong/entities. */
export type Kind = EntityDefinition<KindName>

const isDeclarable = (name: Collection): name is KindName => !RUNTIME_DATA.has(name)

/** The kinds that can be declared, parents before children. */
export const KIND_NAMES: readonly KindName[] = COLLECTIONS.filter(isDeclarable)

export const KINDS = ENTITIES as Readonly<Record<KindName, Kind>>

export const isKindName = (name: string): name is KindName => (KIND_NAMES as readonly string[]).includes(name)

/** The kinds that fields of references lead to: a field means the same in every kind. */
export const PARENTS_OF: ReadonlyMap<string, KindName> = new Map(
  KIND_NAMES.flatMap(kind => KINDS[kind].references.map(({ field, to }) => [field, to as KindName] as const)),
)

/** The references that lead to entities of a kind, and what Kong does with those that refer when one is deleted. */
export const referencesTo = (parent: KindName) =>
  KIND_NAMES.flatMap(kind =>
    KINDS[kind].references.flatMap(({ field, to, onDelete }) =>
      to === parent ? [{ kind, field, onDelete }] : [],
    ),
  )

/** The field by which an entity refers to the one that it is nested in; undefined where it cannot be nested. */
export const nestingField = (outer: KindName, inner: KindName): string | undefined =>
  KINDS[inner].references.find(({ field, to }) => to === outer && field !== 'client_certificate')?.field

export const hasReference = (kind: KindName, field: string): boolean =>
  KINDS[kind].references.some(reference => reference.field === field)
