import type { Schema } from '../schema/schema.ts'
import type { Row } from './change.ts'
import { expectedFields, mistakesOf } from './expected.ts'
import { type Declared, type DeclaredState, problemAt } from './files/declared.ts'
import { type Path, type Problem, refuse } from './files/source.ts'
import { createIdentities, type Identities } from './identity.ts'
import { KIND_NAMES, KINDS, type Kind, type KindName } from './kinds.ts'
import { labelOf } from './label.ts'
import { normaliseDeclared } from './normalise.ts'
import { type Current, type CurrentState, isOurs } from './read.ts'

/** A declared entity in the form in which Kong would report it, with its id. */
export interface Desired {
  readonly kind: KindName
  readonly id: string
  readonly label: string
  /** Complete and comparable, like `Current.fields`. */
  readonly fields: Row
  /** What is sent to create it: what was declared, typed. */
  readonly body: Row
  /** The entity of Kong that it is, or whose place it takes. */
  readonly current: Current | undefined
  /** The present one must go first: it cannot be changed into this one. */
  readonly isReplacement: boolean
  readonly declared: Declared
}

export interface ResolveOptions {
  /** Every desired entity bears these; only entities that bear them all are ours. */
  readonly selectTags: readonly string[]
  readonly newId: () => string
  /** The plugins' own checks, beyond Kong's schemas. */
  readonly checkPlugin?: PluginCheck
}

/** What a plugin has against its entry, in a sentence that may name fields as `config.a.b`; undefined: nothing. */
export type PluginCheck = (fields: Row) => string | undefined

/**
 * Finds for each declared entity the one in Kong that it means, fills in defaults and ids, and checks it.
 *
 * @throws SluiceError SLUICE_STATE_INVALID with the place of every mistake.
 */
export function resolve(
  state: DeclaredState,
  current: CurrentState,
  options: ResolveOptions,
): readonly Desired[] {
  const resolver = new Resolver(state, current, options)
  const desired = KIND_NAMES.flatMap(kind =>
    state.entities
      .filter(entity => entity.kind === kind)
      .flatMap(declared => resolver.resolve(declared) ?? []),
  )
  refuse(resolver.problems)
  return desired
}

class Resolver {
  readonly problems: Problem[] = []
  readonly #current: CurrentState
  readonly #options: ResolveOptions
  readonly #ofKong: Identities<Current>
  /** Entities of Kong that a declared one means by its id or by its name. */
  readonly #claimed: ReadonlySet<Current>
  readonly #done = new Map<Declared, Desired>()
  readonly #byIdentity: Identities<Desired> = createIdentities()
  /** Declared entities by the names and ids that a reference may use. */
  readonly #byName = new Map<string, Declared>()

  constructor(state: DeclaredState, current: CurrentState, options: ResolveOptions) {
    this.#current = current
    this.#options = options
    this.#ofKong = createIdentities()
    for (const entity of current.entities) this.#ofKong.add(entity, { ...entity.fields, id: entity.id })
    this.#claimed = this.#claim(state)
    for (const entity of state.entities)
      for (const name of namesOf(KINDS[entity.kind], entity.fields))
        this.#byName.set(`${entity.kind}:${name}`, entity)
  }

  resolve(declared: Declared): Desired | undefined {
    const kind = KINDS[declared.kind]
    const schema = this.#current.schemas.of(declared.kind)
    if (!schema) return this.#wrong(declared, [], `this Kong knows no ${kind.noun}s`)
    if (!this.#isEnabled(declared)) return undefined
    const links = this.#links(declared)
    if (!links) return undefined

    const tags = [...new Set([...asList(declared.fields.tags), ...this.#options.selectTags])]
    const stamped = schema.fieldsFor(declared.fields).has('tags') ? { tags } : {}
    const given = { ...declared.fields, ...links, ...stamped }
    const { filled, sent } = normaliseDeclared(declared.kind, given, this.#current.schemas, path =>
      declared.source.isFromEnvironment([...declared.path, ...path]),
    )
    const match = this.#match(kind, filled, declared)
    if (match === undefined) return undefined
    const isReplacement = match.current !== undefined && this.#mustReplace(kind, match, filled)
    const id = match.id ?? (isReplacement ? undefined : match.current?.id) ?? this.#options.newId()
    const whole = { ...filled, id }
    this.#check(schema, kind, whole, sent, declared)
    const label = labelOf(kind, whole, (field, linkId) =>
      this.#nameOf(schema.fieldsFor(filled).get(field)?.spec.reference, linkId),
    )
    const desired: Desired = {
      kind: declared.kind,
      id,
      label,
      fields: expectedFields(kind, schema, { filled, sent }, isReplacement ? undefined : match.current),
      body: Object.fromEntries(Object.entries(sent).filter(([name]) => name !== 'id')),
      current: match.current,
      isReplacement,
      declared,
    }
    this.#done.set(declared, desired)
    this.#refuseTwins(kind, desired, whole)
    return desired
  }

  #isEnabled({ kind, fields, ...declared }: Declared): boolean {
    const { schemas } = this.#current
    const name = fields.name
    if (typeof name !== 'string') return true
    const place = { kind, fields, ...declared }
    if (kind === 'plugins' && !schemas.hasPlugin(name)) {
      this.#wrong(place, ['name'], `the plugin ${JSON.stringify(name)} is not enabled in this Kong`)
      return false
    }
    if (kind === 'vaults' && !schemas.hasVault(name)) {
      this.#wrong(place, ['name'], `this Kong has no vault ${JSON.stringify(name)}`)
      return false
    }
    return true
  }

  #claim({ entities }: DeclaredState): ReadonlySet<Current> {
    const claimed = entities.flatMap(({ kind, fields }) => {
      const [main = []] = KINDS[kind].identity
      const byName =
        main.length === 1 ? this.#ofKong.find({ ...KINDS[kind], identity: [main] }, fields) : undefined
      const byId = typeof fields.id === 'string' ? this.#ofKong.byId(kind, fields.id) : undefined
      return [byName, byId].filter(entity => entity !== undefined)
    })
    return new Set(claimed)
  }

  /** The references as Kong has them: `{ service: { id } }`. Undefined when one leads nowhere. */
  #links(declared: Declared): Row | undefined {
    const links: Record<string, unknown> = {}
    for (const [field, target] of Object.entries(declared.links)) {
      const id = typeof target === 'string' ? this.#find(declared, field, target) : this.#done.get(target)?.id
      if (id === undefined) return undefined
      links[field] = { id }
    }
    return links
  }

  #find(declared: Declared, field: string, name: string): string | undefined {
    const reference = this.#current.schemas.of(declared.kind)?.fieldsFor(declared.fields).get(field)
      ?.spec.reference
    const kind = (reference ?? '') as KindName
    const target = this.#byName.get(`${kind}:${name}`)
    if (target) return this.#done.get(target)?.id
    const current = this.#ofKong.named(kind, name)
    const noun = KINDS[kind]?.noun ?? field
    if (!current) {
      this.#wrong(declared, [field], `there is no ${noun} ${JSON.stringify(name)}, neither here nor in Kong`)
      return undefined
    }
    if (isOurs(current, this.#options.selectTags)) {
      this.#wrong(
        declared,
        [field],
        `the ${noun} ${JSON.stringify(name)} is not declared, and will be deleted`,
      )
      return undefined
    }
    return current.id
  }

  /** The entity of Kong that is meant, if there is one, and the id that the file asks for, if it does. */
  #match(
    kind: Kind,
    filled: Row,
    declared: Declared,
  ): { readonly id: string | undefined; readonly current: Current | undefined } | undefined {
    const id = typeof filled.id === 'string' ? filled.id : undefined
    const current =
      (id === undefined ? undefined : this.#ofKong.byId(kind.name, id)) ??
      this.#ofKong.find(kind, filled, entity => this.#claimed.has(entity))
    if (id === undefined && !this.#ofKong.isIdentified(kind, filled))
      return this.#wrong(
        declared,
        [],
        `a ${kind.noun} needs ${kind.identity.map(f => f[0]).join(' or ')}, or an id`,
      )
    if (current && !isOurs(current, this.#options.selectTags)) {
      const tags = this.#options.selectTags.map(tag => JSON.stringify(tag)).join(', ')
      return this.#wrong(
        declared,
        [],
        `Kong holds this ${kind.noun} already, without the tag ${tags}: it is not ours to change`,
      )
    }
    return { id, current }
  }

  #mustReplace(
    kind: Kind,
    match: { id: string | undefined; current: Current | undefined },
    filled: Row,
  ): boolean {
    const { current, id } = match
    if (!current) return false
    if (id !== undefined && id !== current.id) return true
    return kind.fixed.some(field => JSON.stringify(filled[field]) !== JSON.stringify(current.fields[field]))
  }

  #check(schema: Schema, kind: Kind, whole: Row, sent: Row, declared: Declared): void {
    const mistakes = mistakesOf(kind, schema, whole, sent)
    for (const { path, text } of mistakes)
      this.#wrong(declared, path, path.length > 0 ? `${path.join('.')}: ${text}` : text)
    if (kind.name !== 'plugins' || mistakes.length > 0) return
    const refusal = this.#options.checkPlugin?.(whole)
    if (refusal === undefined) return
    const [, field = 'config'] = /(config(?:\.\w+)+)/.exec(refusal) ?? []
    this.#wrong(declared, field.split('.'), `the plugin ${String(whole.name)} refuses it: ${refusal}`)
  }

  #refuseTwins(kind: Kind, desired: Desired, whole: Row): void {
    const twin = this.#byIdentity.find(kind, whole) ?? this.#byIdentity.byId(kind.name, desired.id)
    if (twin) {
      const { line } = twin.declared.source.positionOf(twin.declared.path)
      this.#wrong(desired.declared, [], `declares the same ${kind.noun} as line ${line}`)
    } else this.#byIdentity.add(desired, whole)
  }

  #nameOf(reference: string | undefined, id: string): string | undefined {
    const kind = KINDS[reference as KindName]
    if (!kind) return undefined
    const row = this.#byIdentity.byId(kind.name, id)?.fields ?? this.#ofKong.byId(kind.name, id)?.fields
    const name = row && kind.shownBy.map(field => row[field]).find(value => typeof value === 'string')
    return name as string | undefined
  }

  #wrong(declared: Declared, path: Path, text: string): undefined {
    this.problems.push(problemAt(declared.source, [...declared.path, ...path], text))
  }
}

const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

function namesOf(kind: Kind, fields: Row): readonly string[] {
  const names = [fields.id, ...kind.identity.filter(list => list.length === 1).map(list => fields[list[0]!])]
  return names.filter(name => typeof name === 'string')
}
