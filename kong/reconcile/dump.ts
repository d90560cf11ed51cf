import { Document } from '../../foundation/yaml.ts'
import type { Field } from '../schema/field.ts'
import { isObject } from '../schema/spec.ts'
import { idIn, type Row } from './change.ts'
import { KIND_NAMES, KINDS, type Kind, type KindName, nestingField, PARENTS_OF } from './kinds.ts'
import { isSecretField } from './mask.ts'
import { comparedFields, isSame } from './normalise.ts'
import { type Current, type CurrentState, isOurs } from './read.ts'

export interface DumpOptions {
  /** Only entities with these tags; all where there are none. */
  readonly selectTags: readonly string[]
  /** Writes secrets as they are; hashed ones remain references. */
  readonly withSecrets: boolean
}

export interface Dump {
  /** A declared state that describes what Kong holds. */
  readonly yaml: string
  /** Environment variables that it refers to. */
  readonly variables: readonly string[]
}

/** Writes what Kong holds in the form of a declared state, without what equals the defaults of Kong's schemas. */
export function dumpState(current: CurrentState, options: DumpOptions): Dump {
  const writer = new Writer(current, options)
  const content = writer.write()
  // Others read it, too: to YAML 1.1 a bare `off` is no text.
  const document = new Document(content, { compat: 'yaml-1.1' })
  return { yaml: document.toString({ lineWidth: 0 }), variables: writer.variables }
}

/** Where a value stands. */
interface Place {
  readonly entity: Current
  readonly path: readonly string[]
}

class Writer {
  readonly variables: string[] = []
  readonly #current: CurrentState
  readonly #options: DumpOptions
  readonly #byId: ReadonlyMap<string, Current>
  readonly #chosen: readonly Current[]

  constructor(current: CurrentState, options: DumpOptions) {
    this.#current = current
    this.#options = options
    this.#byId = new Map(current.entities.map(entity => [`${entity.kind}:${entity.id}`, entity]))
    this.#chosen = current.entities.filter(entity => isOurs(entity, options.selectTags))
  }

  write(): Row {
    const chosen = new Set(this.#chosen)
    const roots: Record<string, unknown[]> = {}
    const items = new Map<Current, Record<string, unknown>>()
    for (const kind of KIND_NAMES)
      for (const entity of this.#chosen.filter(one => one.kind === kind).sort(byName)) {
        const owner = this.#owner(entity)
        const outer = owner && chosen.has(owner.entity) ? items.get(owner.entity) : undefined
        const item = this.#item(entity, outer && owner ? owner.field : undefined)
        items.set(entity, item)
        const holder = (outer ?? roots) as Record<string, unknown[]>
        holder[kind] = [...(holder[kind] ?? []), item]
      }
    const { selectTags } = this.#options
    return {
      _format_version: '3.0',
      ...(selectTags.length > 0 && { _info: { select_tags: selectTags } }),
      ...roots,
    }
  }

  /** The entity beneath which another is written: its only parent, where the format has a place for it there. */
  #owner(entity: Current): { readonly entity: Current; readonly field: string } | undefined {
    const owners = [...PARENTS_OF].flatMap(([field, kind]) => {
      const id = idIn(entity.fields[field])
      const owner = id === undefined ? undefined : this.#byId.get(`${kind}:${id}`)
      return owner && nestingField(kind, entity.kind) === field ? [{ entity: owner, field }] : []
    })
    return owners.length === 1 ? owners[0] : undefined
  }

  /** @param nestedBy the reference that nesting expresses. */
  #item(entity: Current, nestedBy: string | undefined): Record<string, unknown> {
    const kind = KINDS[entity.kind]
    const schema = this.#current.schemas.of(entity.kind)!
    const { name: chooser } = entity.fields
    const defaults = schema.fill(chooser === undefined ? {} : { name: chooser }, 'insert')
    const identity = new Set(kind.identity.flat())
    const fields = [...comparedFields(kind, schema, entity.row)].sort(
      ([a], [b]) => Number(identity.has(b)) - Number(identity.has(a)),
    )
    const item: Record<string, unknown> = {}
    if (!kind.identity.some(names => entity.fields[names[0]!] !== null)) item.id = entity.id
    for (const [name, field] of fields) {
      const value = name === 'tags' ? this.#ownTags(entity) : entity.fields[name]
      const standard = name === 'name' || identity.has(name) ? null : defaults[name]
      if (name === nestedBy || isSame(value, standard, field)) continue
      if (PARENTS_OF.has(name)) item[name] = this.#reference(name, value)
      else if (kind.secrets.includes(name)) item[name] = this.#secret(kind, entity, [name], value)
      else item[name] = this.#pruned(value, standard, field, { entity, path: [name] })
    }
    return item
  }

  #ownTags({ tags }: Current): readonly string[] | null {
    const own = tags.filter(tag => !this.#options.selectTags.includes(tag))
    return own.length > 0 ? own : null
  }

  #reference(field: string, value: unknown): unknown {
    const id = idIn(value)
    const parent = this.#byId.get(`${PARENTS_OF.get(field)}:${id}`)
    const name = parent && KINDS[parent.kind].identity.map(([first]) => parent.fields[first]).find(isText)
    return field === 'client_certificate' ? { id } : (name ?? id)
  }

  /** A value without the fields of records that equal their defaults; secrets as references. */
  #pruned(value: unknown, standard: unknown, field: Field, place: Place): unknown {
    const { entity, path } = place
    const below = (name: string): Place => ({ entity, path: [...path, name] })
    if (
      isText(value) &&
      path.length > 1 &&
      isSecretField(path.at(-1)!, field) &&
      !value.startsWith('{vault://')
    )
      return this.#secret(KINDS[entity.kind], entity, path, value)
    const { elements, record } = field
    if (Array.isArray(value) && elements)
      return value.map(item => this.#pruned(item, undefined, elements, place))
    if (!isObject(value)) return value
    if (!record)
      return Object.fromEntries(
        Object.entries(value).map(([name, item]) => [
          name,
          field.values ? this.#pruned(item, undefined, field.values, below(name)) : item,
        ]),
      )
    const defaults = isObject(standard) ? standard : record.fill({}, 'insert', undefined)
    const entries = Object.entries(value).flatMap(([name, item]) => {
      const inner = record.fields.get(name)
      if (!inner || isSame(item, defaults[name], inner)) return []
      return [[name, this.#pruned(item, defaults[name], inner, below(name))]]
    })
    return Object.fromEntries(entries)
  }

  #secret(kind: Kind, entity: Current, path: readonly string[], value: unknown): unknown {
    const isHash = kind.name === 'basicauth_credentials'
    if (value === null || (this.#options.withSecrets && !isHash)) return value
    const consumer = idIn(entity.fields.consumer)
    const owner = this.#byId.get(`consumers:${consumer}`)?.fields.username ?? entity.fields.name ?? entity.id
    const base = ['DECK', owner, kind.event.replace('_credential', ''), ...path]
      .join('_')
      .toUpperCase()
      .replace(/[^A-Z0-9]+/g, '_')
    let variable = base
    for (let n = 2; this.variables.includes(variable); n++) variable = `${base}_${n}`
    this.variables.push(variable)
    return `\${{ env "${variable}" }}`
  }
}

const isText = (value: unknown): value is string => typeof value === 'string'

const nameOf = ({ kind, fields, id }: Current): string =>
  String(KINDS[kind as KindName].identity.map(([first]) => fields[first]).find(isText) ?? id)

const byName = (a: Current, b: Current): number => (nameOf(a) < nameOf(b) ? -1 : 1)
