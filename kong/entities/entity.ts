import type { AutoValues } from '../schema/field.ts'
import { type Rules, withRules } from '../schema/rules.ts'
import { entryOf, type SchemaSpec } from '../schema/spec.ts'
import { recordedSchema } from './recorded.ts'

type Row = Readonly<Record<string, unknown>>

/** A reference to another entity, as it stands in JSON. */
export type Reference = { readonly id: string }

/** A foreign field: `service` of a route. */
export interface EntityReference {
  readonly field: string
  /** The collection that it refers to. */
  readonly to: string
  /** What the deletion of that one does; undefined: it is refused while the reference stands. */
  readonly onDelete: 'cascade' | 'null' | undefined
}

/** What is written by hand of one kind of entity; the rest follows from the schema. */
export interface EntityFacts<N extends string> {
  /** Kong's own name, also in declarative files. */
  readonly name: N
  /** For people. */
  readonly noun: string
  /** The collection in the Admin API: `/key-auths`. Left out where it is the name. */
  readonly path?: string
  /** Beneath the entity that it refers to: `/consumers/jason/key-auth`. Left out where it is the path. */
  readonly nestedPath?: string
  /** The unique field that may stand in a path instead of the id. */
  readonly endpointKey?: string
  /** Kong's cache key: several fields are unique taken together, and ids of declared entities are made of them. */
  readonly cacheKey?: readonly string[]
  /** Fields that say which entity is meant where no id is given: the first list that is filled in counts. */
  readonly identity: readonly (readonly [string, ...string[]])[]
  /** Values that declared state may not give to two entities, where that is not the identity. */
  readonly declaredUnique?: readonly (readonly string[])[]
  /** Fields that cannot be changed: another value is another entity. */
  readonly fixed?: readonly string[]
  /** Fields that are never shown. */
  readonly secrets?: readonly string[]
  /** What a person knows it by; never a credential. Left out where it is the identity. */
  readonly shownBy?: readonly string[]
  /** Fields that Kong takes in one request only: it hashes the first with the help of the second. */
  readonly together?: readonly [string, string]
  /** References with which an entity goes, though its schema does not say so. */
  readonly goesWith?: readonly string[]
  /** Reached only through the entity in this field. */
  readonly within?: string
  /** Fields of a request's body that are not part of the entity. */
  readonly writeOnly?: readonly string[]
  /** What the recorded schema, or that of another Kong, cannot say. */
  readonly rules?: Rules
  /** The schemas that the value of `subschema_key` chooses between. */
  readonly subschemas?: Readonly<Record<string, SchemaSpec>>
  /** Changes what was given before it is checked. @returns a complaint by field instead, where it cannot. */
  readonly prepare?: (data: Row) => Row | { readonly refused: Readonly<Record<string, string>> }
  /** What is stored in another form than it was given. @param given the fields of the request */
  readonly transform?: (row: Row, given: Row, auto: AutoValues) => Row
}

/** All that is known of one kind of entity. */
export interface EntityDefinition<N extends string = string>
  extends Required<Omit<EntityFacts<N>, 'goesWith' | Optional>>,
    Pick<EntityFacts<N>, Optional> {
  readonly schema: SchemaSpec
  /** As it stands in the names of events: `gateway.key_set.created.v1`. */
  readonly event: string
  /** Fields that are unique by themselves, in the order in which Kong's database complains of them. */
  readonly unique: readonly string[]
  readonly references: readonly EntityReference[]
}

type Optional = 'endpointKey' | 'cacheKey' | 'together' | 'within' | 'prepare' | 'transform'

/** Completes the facts of an entity with those that its recorded schema holds. */
export function defineEntity<const N extends string>(facts: EntityFacts<N>): EntityDefinition<N> {
  const { rules = {}, path = facts.name, identity } = facts
  const schema = withRules(recordedSchema('entities', facts.name), rules)
  const fields = schema.fields.map(entryOf)
  return {
    ...facts,
    rules,
    path,
    nestedPath: facts.nestedPath ?? path,
    event: facts.name.replace(/s$/, ''),
    declaredUnique: facts.declaredUnique ?? identity,
    fixed: facts.fixed ?? [],
    secrets: facts.secrets ?? [],
    shownBy: facts.shownBy ?? identity[0] ?? [],
    writeOnly: facts.writeOnly ?? [],
    subschemas: facts.subschemas ?? {},
    schema,
    unique: fields.filter(([, { unique, type }]) => unique && type === 'string').map(([name]) => name),
    references: fields.flatMap(([field, { type, reference, on_delete }]) => {
      if (type !== 'foreign' || !reference) return []
      return [{ field, to: reference, onDelete: facts.goesWith?.includes(field) ? 'cascade' : on_delete }]
    }),
  }
}
