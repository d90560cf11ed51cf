import type { Row } from './change.ts'
import type { Declared } from './files/declared.ts'
import { createIdentities, deriveId, type Identities } from './identity.ts'
import { KINDS, type Kind, type KindName } from './kinds.ts'
import type { Current } from './read.ts'
import type { Schemas } from './schemas.ts'

/** The entity of Kong that a declared one means. */
export interface Match {
  /** The id that the file asks for, or that its content makes; undefined: that of the present entity, or any. */
  readonly id: string | undefined
  readonly current: Current | undefined
  /** The present one must go first: it cannot be changed into the declared one. */
  readonly isReplacement: boolean
}

/** Finds what declared entities mean in Kong: by id, by name, by what identifies their kind. */
export class Matcher {
  readonly #schemas: Schemas
  readonly #ofKong: Identities<Current> = createIdentities()
  /** Entities of Kong that a declared one means by its id or by its name. */
  readonly #claimed: ReadonlySet<Current>

  constructor(current: readonly Current[], schemas: Schemas, declared: readonly Declared[]) {
    this.#schemas = schemas
    for (const entity of current) this.#ofKong.add(entity, { ...entity.fields, id: entity.id })
    this.#claimed = new Set(declared.flatMap(entity => this.#claim(entity)))
  }

  /** By id, or by a name. */
  named(kind: KindName, name: string): Current | undefined {
    return this.#ofKong.named(kind, name)
  }

  byId(kind: KindName, id: string): Current | undefined {
    return this.#ofKong.byId(kind, id)
  }

  /**
   * @param filled complete, with defaults.
   * @returns nothing where the entity says in no way which one it is.
   */
  match(kind: Kind, filled: Row): Match | undefined {
    const id = typeof filled.id === 'string' ? filled.id : this.#derivedId(kind, filled)
    if (id === undefined && !this.#ofKong.isIdentified(kind, filled)) return undefined
    const current =
      (id === undefined ? undefined : this.#ofKong.byId(kind.name, id)) ??
      this.#ofKong.find(kind, filled, entity => this.#claimed.has(entity))
    const isReplacement = current !== undefined && !canBecome(kind, current, id, filled)
    return { id, current, isReplacement }
  }

  #claim({ kind, fields }: Declared): readonly Current[] {
    const [main = []] = KINDS[kind].identity
    const byName =
      main.length === 1 ? this.#ofKong.find({ ...KINDS[kind], identity: [main] }, fields) : undefined
    const byId = typeof fields.id === 'string' ? this.#ofKong.byId(kind, fields.id) : undefined
    return [byName, byId].filter(entity => entity !== undefined)
  }

  /**
   * Services and routes may have no name, and Kong makes up the key of a credential: then the content says which one
   * is meant, and another content is another entity.
   */
  #derivedId(kind: Kind, filled: Row): string | undefined {
    if (this.#ofKong.isIdentified(kind, filled)) return undefined
    const schema = this.#schemas.of(kind.name)
    const isOptional = kind.identity.some(([first = '']) => {
      const spec = schema?.fieldsFor(filled).get(first)?.spec
      return spec?.auto || (spec?.unique && !spec.required)
    })
    const isAnonymous = kind.name === 'services' || kind.name === 'routes' || kind.fixed.includes('consumer')
    return isOptional && isAnonymous ? deriveId([kind.name, filled]) : undefined
  }
}

/** Whether a present entity can be changed into the declared one: ids and some fields are for good. */
function canBecome(kind: Kind, current: Current, id: string | undefined, filled: Row): boolean {
  if (id !== undefined && id !== current.id) return false
  return kind.fixed.every(field => JSON.stringify(filled[field]) === JSON.stringify(current.fields[field]))
}
