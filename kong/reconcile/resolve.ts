import type { Schema } from '../schema/schema.ts'
import type { Row } from './change.ts'
import { expectedFields, mistakesOf } from './expected.ts'
import type { Declared, DeclaredState } from './files/declared.ts'
import { type Path, type Problem, problemAt, refuse } from './files/problem.ts'
import { createIdentities, deriveId, type Identities } from './identity.ts'
import { KIND_NAMES, KINDS, type Kind, type KindName } from './kinds.ts'
import { labelOf, nameOf } from './label.ts'
import { type Match, Matcher } from './match.ts'
import { type Completed, normaliseDeclared } from './normalise.ts'
import { type Current, type CurrentState, isOurs } from './read.ts'
import { urlProblem } from './shorthand.ts'

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
  /** Without a Kong: what only Kong knows is a warning. */
  readonly isOffline?: boolean
}

export interface Resolved {
  readonly desired: readonly Desired[]
  /** What could not be checked without Kong. */
  readonly warnings: readonly Problem[]
}

/** What a plugin has against its entry, in a sentence that may name fields as `config.a.b`; undefined: nothing. */
export type PluginCheck = (fields: Row) => string | undefined

/**
 * Finds for each declared entity the one in Kong that it means, fills in defaults and ids, and checks it.
 *
 * @throws SluiceError SLUICE_STATE_INVALID with the place of every mistake, those found while reading included.
 */
export function resolve(
  state: DeclaredState,
  current: Pick<CurrentState, 'entities' | 'schemas'>,
  options: ResolveOptions,
): Resolved {
  const resolver = new Resolver(state, current, options)
  const desired = KIND_NAMES.flatMap(kind =>
    state.entities
      .filter(entity => entity.kind === kind)
      .flatMap(declared => resolver.resolve(declared) ?? []),
  )
  refuse([...state.problems, ...resolver.problems])
  return { desired, warnings: resolver.warnings }
}

class Resolver {
  readonly problems: Problem[] = []
  readonly warnings: Problem[] = []
  readonly #current: Pick<CurrentState, 'entities' | 'schemas'>
  readonly #options: ResolveOptions
  readonly #matcher: Matcher
  readonly #done = new Map<Declared, Desired>()
  readonly #byIdentity: Identities<Desired> = createIdentities()
  /** Declared entities by the names and ids that a reference may use. */
  readonly #byName = new Map<string, Declared>()

  constructor(
    state: DeclaredState,
    current: Pick<CurrentState, 'entities' | 'schemas'>,
    options: ResolveOptions,
  ) {
    this.#current = current
    this.#options = options
    this.#matcher = new Matcher(current.entities, current.schemas, state.entities)
    for (const entity of state.entities)
      for (const name of namesOf(KINDS[entity.kind], entity.fields))
        this.#byName.set(`${entity.kind}:${name}`, entity)
  }

  resolve(declared: Declared): Desired | undefined {
    const kind = KINDS[declared.kind]
    const schema = this.#current.schemas.of(declared.kind)
    if (!schema) return this.#wrong(declared, [], `this Kong knows no ${kind.noun}s`)
    const completed = this.#isEnabled(declared) ? this.#complete(schema, declared) : undefined
    const match = completed && this.#match(kind, completed.filled, declared)
    if (!match) return undefined
    const { current, isReplacement } = match
    const id = match.id ?? (isReplacement ? undefined : current?.id) ?? this.#options.newId()
    const whole = { ...completed, filled: { ...completed.filled, id } }
    this.#check(schema, kind, whole, declared)
    const desired: Desired = {
      kind: declared.kind,
      id,
      label: this.#label(schema, kind, whole.filled),
      fields: expectedFields(kind, schema, completed, isReplacement ? undefined : current),
      body: Object.fromEntries(Object.entries(completed.sent).filter(([name]) => name !== 'id')),
      current,
      isReplacement,
      declared,
    }
    this.#done.set(declared, desired)
    this.#refuseTwins(kind, desired, whole.filled)
    return desired
  }

  /** With references and select tags, defaults filled in; undefined when a reference leads nowhere. */
  #complete(schema: Schema, declared: Declared): Completed | undefined {
    const links = this.#links(declared)
    if (!links) return undefined
    const { kind, fields, source, path: outer } = declared
    const tags = [...new Set([...asList(fields.tags), ...this.#options.selectTags])]
    const given = { ...fields, ...links, ...(schema.fieldsFor(fields).has('tags') && { tags }) }
    const isText = (path: Path) => source.isFromEnvironment([...outer, ...path])
    return normaliseDeclared(kind, given, this.#current.schemas, isText)
  }

  #label(schema: Schema, kind: Kind, whole: Row): string {
    const fields = schema.fieldsFor(whole)
    return labelOf(kind, whole, (field, id) => this.#nameOf(fields.get(field)?.spec.reference, id))
  }

  /** Whether the schema of a plugin's or vault's configuration is known. */
  #isEnabled(declared: Declared): boolean {
    const { schemas } = this.#current
    const { kind, fields } = declared
    if (typeof fields.name !== 'string') return true
    const quoted = JSON.stringify(fields.name)
    if (kind === 'plugins' && !schemas.hasPlugin(fields.name)) {
      if (this.#options.isOffline)
        this.#warn(declared, ['name'], `the plugin ${quoted} is not known here: it was not checked`)
      else this.#wrong(declared, ['name'], `the plugin ${quoted} is not enabled in this Kong`)
      return false
    }
    if (kind === 'vaults' && !schemas.hasVault(fields.name)) {
      if (this.#options.isOffline)
        this.#warn(declared, ['name'], `the vault ${quoted} is not known here: it was not checked`)
      else this.#wrong(declared, ['name'], `this Kong has no vault ${quoted}`)
      return false
    }
    return true
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
    const current = this.#matcher.named(kind, name)
    const noun = KINDS[kind]?.noun ?? field
    if (!current) {
      const missing = `there is no ${noun} ${JSON.stringify(name)}`
      if (!this.#options.isOffline)
        return this.#wrong(declared, [field], `${missing}, neither here nor in Kong`)
      this.#warn(declared, [field], `${missing} here; Kong must hold it`)
      return deriveId([kind, name])
    }
    if (!isOurs(current, this.#options.selectTags)) return current.id
    const text = `the ${noun} ${JSON.stringify(name)} is not declared, and will be deleted`
    return this.#wrong(declared, [field], text)
  }

  /** The entity of Kong that is meant, if there is one. */
  #match(kind: Kind, filled: Row, declared: Declared): Match | undefined {
    const match = this.#matcher.match(kind, filled)
    if (!match) {
      const names = kind.identity.map(([first]) => first).join(' or ')
      return this.#wrong(declared, [], `a ${kind.noun} needs ${names}, or an id`)
    }
    if (!match.current || isOurs(match.current, this.#options.selectTags)) return match
    const tags = this.#options.selectTags.map(tag => JSON.stringify(tag)).join(', ')
    const text = `Kong holds this ${kind.noun} already, without the tag ${tags}: it is not ours to change`
    return this.#wrong(declared, [], text)
  }

  #check(schema: Schema, kind: Kind, completed: Completed, declared: Declared): void {
    const { url } = declared.fields
    const wrongUrl = kind.name === 'services' && typeof url === 'string' ? urlProblem(url) : undefined
    // The parts of a wrong URL are wrong, too.
    if (wrongUrl !== undefined) {
      this.#wrong(declared, ['url'], `url: ${wrongUrl}`)
      return
    }
    const mistakes = mistakesOf(kind, schema, completed)
    for (const { path, text } of mistakes)
      this.#wrong(declared, path, path.length > 0 ? `${path.join('.')}: ${text}` : text)
    if (kind.name !== 'plugins' || mistakes.length > 0) return
    const refusal = this.#options.checkPlugin?.(completed.filled)
    if (refusal === undefined) return
    const [, field = 'config'] = /(config(?:\.\w+)+)/.exec(refusal) ?? []
    this.#wrong(
      declared,
      field.split('.'),
      `the plugin ${String(completed.filled.name)} refuses it: ${refusal}`,
    )
  }

  #refuseTwins(kind: Kind, desired: Desired, whole: Row): void {
    const twin = this.#byIdentity.find(kind, whole) ?? this.#byIdentity.byId(kind.name, desired.id)
    if (twin) {
      const { source, path } = twin.declared
      const place = source === desired.declared.source ? 'line ' : `${source.file}:`
      const { line } = source.positionOf(path)
      this.#wrong(desired.declared, [], `declares the same ${kind.noun} as ${place}${line}`)
    } else this.#byIdentity.add(desired, whole)
  }

  #nameOf(reference: string | undefined, id: string): string | undefined {
    const kind = KINDS[reference as KindName]
    if (!kind) return undefined
    const row = this.#byIdentity.byId(kind.name, id)?.fields ?? this.#matcher.byId(kind.name, id)?.fields
    return row && nameOf(kind, row)
  }

  #warn({ source, path: outer }: Declared, path: Path, text: string): void {
    this.warnings.push(problemAt(source, [...outer, ...path], text))
  }

  /** Values that depend on an unset variable are not judged. */
  #wrong({ source, path: outer }: Declared, path: Path, text: string): undefined {
    const whole = [...outer, ...path]
    if (!source.isUnresolved(whole)) this.problems.push(problemAt(source, whole, text))
  }
}

const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

function namesOf(kind: Kind, fields: Row): readonly string[] {
  const names = [
    fields.id,
    ...kind.identity.filter(list => list.length === 1).map(([only = '']) => fields[only]),
  ]
  return names.filter(name => typeof name === 'string')
}
