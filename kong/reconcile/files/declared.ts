import { hasReference, isKindName, KIND_NAMES, KINDS, type KindName, nestingField } from '../kinds.ts'
import { type Path, type Position, type Problem, refuse, type Source } from './source.ts'

export type Row = Readonly<Record<string, unknown>>

/** An entity as it stands in the file: its own fields only. */
export interface Declared {
  readonly kind: KindName
  readonly fields: Row
  /** Entities that it refers to: another declared one, or a name or id. */
  readonly links: Readonly<Record<string, Declared | string>>
  readonly source: Source
  readonly path: Path
}

export interface DeclaredState {
  readonly entities: readonly Declared[]
  /** `_info.select_tags` of each file; undefined where a file has none. */
  readonly tagsOf: readonly { readonly source: Source; readonly tags: readonly string[] | undefined }[]
}

/** Names by which `_info.defaults` calls the kinds. */
const DEFAULTS_OF = new Map(KIND_NAMES.map(name => [KINDS[name].event, name]))

/** Keys of the whole file that are no entities. */
const META = new Set([
  '_format_version',
  '_info',
  '_plugin_configs',
  '_transform',
  '_workspace',
  '_comment',
  '_ignore',
  '$schema',
])

/** Keys of `_info`. */
const INFO = new Set(['select_tags', 'defaults', 'default_lookup_tags'])

/**
 * Takes a file in decK's format apart into single entities.
 *
 * @throws SluiceError SLUICE_STATE_INVALID with the place of every mistake.
 */
export function readDeclared(sources: readonly Source[]): DeclaredState {
  const problems: Problem[] = []
  const entities: Declared[] = []
  const tagsOf: { source: Source; tags: readonly string[] | undefined }[] = []
  for (const source of sources) {
    const reader = new Reader(source, problems)
    reader.read()
    entities.push(...reader.entities)
    tagsOf.push({ source, tags: reader.selectTags })
  }
  refuse(problems)
  return { entities, tagsOf }
}

const isRecord = (value: unknown): value is Row =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

class Reader {
  readonly entities: Declared[] = []
  selectTags: readonly string[] | undefined
  readonly #source: Source
  readonly #problems: Problem[]
  #defaults: ReadonlyMap<KindName, Row> = new Map()
  #pluginConfigs: Row = {}

  constructor(source: Source, problems: Problem[]) {
    this.#source = source
    this.#problems = problems
  }

  read(): void {
    const { content } = this.#source
    // An empty file declares that nothing is wanted; a file without a version is some other file.
    if (!isRecord(content)) {
      this.#wrong([], 'is not a declared state: it has no _format_version')
      return
    }
    this.#readMeta(content)
    for (const [key, value] of Object.entries(content)) {
      if (META.has(key)) continue
      if (isKindName(key)) this.#readList(key, value, [key], {})
      else this.#wrong([key], `${key} is not a kind of entity; there are ${KIND_NAMES.join(', ')}`)
    }
  }

  #readMeta(content: Row): void {
    const version = content._format_version
    if (version === undefined) this.#wrong([], '_format_version is missing; write _format_version: "3.0"')
    else if (!/^3(\.\d+)?$/.test(String(version)))
      this.#wrong(['_format_version'], `version ${String(version)} is not understood; "3.0" is`)
    const workspace = content._workspace
    if (workspace !== undefined && workspace !== 'default')
      this.#wrong(['_workspace'], 'open-source Kong has the workspace "default" only')
    if (isRecord(content._plugin_configs)) this.#pluginConfigs = content._plugin_configs
    const info = content._info
    if (info === undefined || info === null) return
    if (!isRecord(info)) {
      this.#wrong(['_info'], 'is not a map')
      return
    }
    // A misspelt key would silently widen what the run may delete.
    for (const key of Object.keys(info))
      if (!INFO.has(key)) this.#wrong(['_info', key], `unknown key; _info takes ${[...INFO].join(', ')}`)
    this.#readTags(info.select_tags)
    this.#readDefaults(info.defaults)
  }

  #readTags(tags: unknown): void {
    if (tags === undefined || tags === null) return
    const isList = Array.isArray(tags) && tags.every(tag => typeof tag === 'string' && tag !== '')
    if (isList) this.selectTags = tags.length > 0 ? tags : undefined
    else this.#wrong(['_info', 'select_tags'], 'is not a list of tags')
  }

  #readDefaults(defaults: unknown): void {
    if (defaults === undefined || defaults === null) return
    if (!isRecord(defaults)) {
      this.#wrong(['_info', 'defaults'], 'is not a map')
      return
    }
    const known = new Map<KindName, Row>()
    for (const [name, row] of Object.entries(defaults)) {
      const kind = DEFAULTS_OF.get(name)
      if (!kind) this.#wrong(['_info', 'defaults', name], `${name} is not a kind of entity`)
      else if (!isRecord(row)) this.#wrong(['_info', 'defaults', name], 'is not a map')
      else known.set(kind, row)
    }
    this.#defaults = known
  }

  #readList(kind: KindName, list: unknown, path: Path, links: Declared['links']): void {
    if (list === null || list === undefined) return
    if (!Array.isArray(list)) {
      this.#wrong(path, `${path.at(-1)} is not a list`)
      return
    }
    for (const [i, item] of list.entries()) {
      const given = kind === 'snis' && typeof item === 'string' ? { name: item } : item
      if (isRecord(given)) this.#readEntity(kind, given, [...path, i], links)
      else this.#wrong([...path, i], `is not a ${KINDS[kind].noun}`)
    }
  }

  #readEntity(kind: KindName, item: Row, path: Path, outer: Declared['links']): void {
    const fields: Record<string, unknown> = { ...this.#defaults.get(kind) }
    const links: Record<string, Declared | string> = { ...outer }
    const entity: Declared = { kind, fields, links, source: this.#source, path }
    this.entities.push(entity)
    for (const [key, value] of Object.entries(item)) {
      const nestedKind = isKindName(key) ? key : undefined
      const nestedBy = nestedKind && nestingField(kind, nestedKind)
      if (nestedKind && nestedBy !== undefined)
        this.#readList(nestedKind, value, [...path, key], { [nestedBy]: entity })
      else if (hasReference(kind, key)) this.#readLink(links, key, value, [...path, key])
      else if (key === '_config') fields.config = this.#sharedConfig(value, [...path, key])
      else fields[key] = value
    }
    // What an entry says itself rules over the shared configuration, field by field.
    if (isRecord(item.config) && typeof item._config === 'string')
      fields.config = { ...this.#sharedConfig(item._config, [...path, '_config']), ...item.config }
  }

  #readLink(links: Record<string, Declared | string>, field: string, value: unknown, path: Path): void {
    if (value === null || value === undefined) return
    const name = isRecord(value) ? (value.id ?? value.name ?? value.username) : value
    if (typeof name !== 'string') {
      this.#wrong(path, `${field} is neither a name nor an id`)
      return
    }
    if (typeof links[field] === 'object') {
      this.#wrong(path, `${field} is given by the entity that this one stands beneath`)
      return
    }
    links[field] = name
  }

  #sharedConfig(name: unknown, path: Path): Row {
    const config = typeof name === 'string' ? this.#pluginConfigs[name] : undefined
    if (isRecord(config)) return config
    this.#wrong(path, `_plugin_configs holds no ${JSON.stringify(name)}`)
    return {}
  }

  #wrong(path: Path, text: string): void {
    this.#problems.push(problemAt(this.#source, path, text))
  }
}

export function problemAt(source: Source, path: Path, text: string): Problem {
  const position: Position = source.positionOf(path)
  return { file: source.file, position, text }
}
