import { meant } from '../../../foundation/closest-name.ts'
import type { Row } from '../change.ts'
import { hasReference, isKindName, KIND_NAMES, KINDS, type KindName, nestingField } from '../kinds.ts'
import { convertPath } from './formats.ts'
import { isRecord, META_KEYS, type Meta, readMeta } from './meta.ts'
import { type Path, type Problem, problemAt } from './problem.ts'
import type { Source } from './source.ts'

/** An entity of a file, with its own fields only. */
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
  readonly problems: readonly Problem[]
  /** Values that came from secret environment variables: they are never shown. */
  readonly secrets: readonly string[]
  /** What was converted, for people. */
  readonly notices: readonly string[]
}

/** Entities that Kong's free edition does not have. */
const ENTERPRISE = new Set([
  'consumer_groups',
  'rbac_roles',
  'rbac_users',
  'workspaces',
  'licenses',
  'partials',
  'custom_entities',
  'degraphql_routes',
  'document_objects',
])

/** Comments of the file format, in each entity. */
const COMMENTS = new Set(['_comment', '_ignore'])

/**
 * Takes files in decK's format apart into single entities. Files of one run share their `_info.defaults` and
 * `_plugin_configs`. Mistakes are in `problems`.
 */
export function readDeclared(sources: readonly Source[]): DeclaredState {
  const problems: Problem[] = sources.flatMap(source => source.problems)
  const files: File[] = []
  for (const source of sources) {
    const { content } = source
    if (isRecord(content)) files.push({ source, content, meta: readMeta(source, content, problems) })
    // An empty file could mean that nothing is wanted, or be some other file.
    else if (source.problems.length === 0)
      problems.push(problemAt(source, [], 'is not a declared state: it has no _format_version'))
  }
  const shared = share(files, problems)
  const readers = files.map(file => new Reader(file, shared, problems))
  for (const reader of readers) reader.read()
  return {
    entities: readers.flatMap(reader => reader.entities),
    tagsOf: files.map(({ source, meta }) => ({ source, tags: meta.tags })),
    problems,
    secrets: sources.flatMap(source => source.secrets),
    notices: readers.flatMap(reader => reader.notices),
  }
}

interface File {
  readonly source: Source
  readonly content: Row
  readonly meta: Meta
}

type Shared = Pick<Meta, 'defaults' | 'pluginConfigs'>

/** Defaults and configurations of all files: a folder often keeps them in a file of their own. */
function share(files: readonly File[], problems: Problem[]): Shared {
  const defaults = new Map<KindName, Row>()
  const pluginConfigs: Record<string, unknown> = {}
  const conflict = (source: Source, path: Path) =>
    problems.push(problemAt(source, path, 'another file of this run says something else'))
  for (const { source, meta } of files) {
    for (const [kind, row] of meta.defaults) {
      if (differs(defaults.get(kind), row)) conflict(source, ['_info', 'defaults', KINDS[kind].event])
      defaults.set(kind, row)
    }
    for (const [name, config] of Object.entries(meta.pluginConfigs)) {
      if (differs(pluginConfigs[name], config)) conflict(source, ['_plugin_configs', name])
      pluginConfigs[name] = config
    }
  }
  return { defaults, pluginConfigs }
}

const differs = (a: unknown, b: unknown): boolean =>
  a !== undefined && JSON.stringify(a) !== JSON.stringify(b)

class Reader {
  readonly entities: Declared[] = []
  readonly #file: File
  readonly #shared: Shared
  readonly #problems: Problem[]
  /** Written for Kong 3 under an old version, as older decKs did: nothing is to be converted. */
  readonly #hasNewPaths: boolean
  #convertedPaths = 0

  constructor(file: File, shared: Shared, problems: Problem[]) {
    this.#file = file
    this.#hasNewPaths = hasRegexPath(file.content)
    this.#shared = shared
    this.#problems = problems
  }

  get notices(): readonly string[] {
    const { source, content, meta } = this.#file
    if (meta.format !== 'old') return []
    const paths = this.#convertedPaths === 1 ? '1 path' : `${this.#convertedPaths} paths`
    const head = `${source.file}: format ${String(content._format_version)} read as 3.0`
    return [
      this.#hasNewPaths
        ? `${head}: its regular expressions begin with ~ already`
        : `${head}: ${paths} taken as regular expressions (~)`,
    ]
  }

  read(): void {
    for (const [key, value] of Object.entries(this.#file.content)) {
      if (META_KEYS.has(key)) continue
      if (isKindName(key)) this.#readList(key, value, [key], {})
      else this.#wrong([key], unknownKind(key))
    }
  }

  #readList(kind: KindName, list: unknown, path: Path, links: Declared['links']): void {
    if (list === null || list === undefined) return
    if (!Array.isArray(list)) {
      this.#wrong(path, `${path.at(-1)} must be a list`)
      return
    }
    for (const [i, item] of list.entries()) {
      const given = kind === 'snis' && typeof item === 'string' ? { name: item } : item
      if (isRecord(given)) this.#readEntity(kind, given, [...path, i], links)
      else this.#wrong([...path, i], `must be a map: the fields of a ${KINDS[kind].noun}`)
    }
  }

  #readEntity(kind: KindName, item: Row, path: Path, outer: Declared['links']): void {
    const fields: Record<string, unknown> = { ...this.#shared.defaults.get(kind) }
    const links: Record<string, Declared | string> = { ...outer }
    const entity: Declared = { kind, fields, links, source: this.#file.source, path }
    this.entities.push(entity)
    for (const [key, value] of Object.entries(item)) {
      const nestedKind = isKindName(key) ? key : undefined
      const nestedBy = nestedKind && nestingField(kind, nestedKind)
      if (nestedKind && nestedBy !== undefined)
        this.#readList(nestedKind, value, [...path, key], { [nestedBy]: entity })
      else if (COMMENTS.has(key)) continue
      else if (hasReference(kind, key)) this.#readLink(links, key, value, [...path, key])
      else if (key === '_config') fields.config = this.#sharedConfig(value, [...path, key])
      else fields[key] = withoutNulls(value)
      // null means the default.
      if (value === null) delete fields[key]
    }
    if (kind === 'routes' && this.#file.meta.format === 'old' && !this.#hasNewPaths)
      this.#convertPaths(fields, path)
    // What an entry says itself rules over the shared configuration, field by field.
    if (isRecord(fields.config) && typeof item._config === 'string')
      fields.config = { ...this.#sharedConfig(item._config, [...path, '_config']), ...fields.config }
  }

  #convertPaths(fields: Record<string, unknown>, path: Path): void {
    if (!Array.isArray(fields.paths)) return
    fields.paths = fields.paths.map((one: unknown, i) => {
      if (typeof one !== 'string' || this.#file.source.isUnresolved([...path, 'paths', i])) return one
      if (one.startsWith('~'))
        this.#wrong([...path, 'paths', i], 'a path of this format starts with /, not ~')
      const converted = convertPath(one)
      if (converted !== one) this.#convertedPaths++
      return converted
    })
  }

  #readLink(links: Record<string, Declared | string>, field: string, value: unknown, path: Path): void {
    if (value === null || value === undefined) return
    const name = isRecord(value) ? (value.id ?? value.name ?? value.username) : value
    if (typeof name !== 'string') {
      this.#wrong(path, `${field} must be a name or an id`)
      return
    }
    if (typeof links[field] === 'object') {
      this.#wrong(path, `${field} is set by the entity that this one is nested in`)
      return
    }
    links[field] = name
  }

  #sharedConfig(name: unknown, path: Path): Row {
    const { pluginConfigs } = this.#shared
    const config = typeof name === 'string' ? pluginConfigs[name] : undefined
    if (isRecord(config)) return config
    this.#wrong(path, `_plugin_configs has no ${JSON.stringify(name)}`)
    return {}
  }

  #wrong(path: Path, text: string): void {
    this.#problems.push(problemAt(this.#file.source, path, text))
  }
}

/** Whether a path begins with the `~` of Kong 3. */
function hasRegexPath(content: Row): boolean {
  const services = asRecords(content.services)
  const routes = [...asRecords(content.routes), ...services.flatMap(({ routes: own }) => asRecords(own))]
  return routes.some(
    ({ paths }) =>
      Array.isArray(paths) && paths.some(path => typeof path === 'string' && path.startsWith('~')),
  )
}

const asRecords = (list: unknown): readonly Row[] => (Array.isArray(list) ? list.filter(isRecord) : [])

function unknownKind(key: string): string {
  if (key === '_konnect') return 'belongs to Kong Konnect: remove it to apply the file to a Kong of your own'
  if (ENTERPRISE.has(key)) return `${key} belong to Kong Enterprise; this is for open-source Kong`
  return `unknown kind of entity; ${meant(key, KIND_NAMES) ?? `there are ${KIND_NAMES.join(', ')}`}`
}

/** Without null fields of records: they stand for the default. Items of lists stay, so that places stay right. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (!isRecord(value)) return value
  const entries = Object.entries(value).filter(([, item]) => item !== null)
  return Object.fromEntries(entries.map(([name, item]) => [name, withoutNulls(item)]))
}
