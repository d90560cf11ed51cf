import { meant } from '../../../foundation/closest-name.ts'
import type { Row } from '../change.ts'
import { KIND_NAMES, KINDS, type KindName } from '../kinds.ts'
import { FORMAT_VERSION, type Format, formatOf } from './formats.ts'
import { type Path, type Problem, problemAt } from './problem.ts'
import type { Source } from './source.ts'

/** What a file says beside its entities. */
export interface Meta {
  readonly format: Format
  /** `_info.select_tags`; undefined where the file has none. */
  readonly tags: readonly string[] | undefined
  /** `_info.defaults`: fields for all entities of a kind. */
  readonly defaults: ReadonlyMap<KindName, Row>
  /** `_plugin_configs`: configurations that plugins share by their names. */
  readonly pluginConfigs: Row
}

/** Keys of the whole file that are not entities. */
export const META_KEYS: ReadonlySet<string> = new Set([
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
const INFO_KEYS = ['select_tags', 'defaults', 'default_lookup_tags']

/** Keys of `_info.default_lookup_tags`, as decK has them. References are looked up in all of Kong, whatever its tags. */
export const LOOKUP_KEYS = ['consumer_groups', 'consumers', 'partials', 'routes', 'services'] as const

/** Names by which `_info.defaults` calls the kinds. */
const KIND_OF_DEFAULTS = new Map(KIND_NAMES.map(name => [KINDS[name].event, name]))

export const isRecord = (value: unknown): value is Row =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Reads what a file says beside its entities; what is wrong is added to `problems`. */
export function readMeta(source: Source, content: Row, problems: Problem[]): Meta {
  const wrong = (path: Path, text: string) => void problems.push(problemAt(source, path, text))
  const info = content._info ?? {}
  if (!isRecord(info)) wrong(['_info'], 'must be a map')
  const { select_tags: tags, defaults } = isRecord(info) ? info : {}
  // A misspelt key would silently widen what the run may delete.
  for (const key of Object.keys(isRecord(info) ? info : {}))
    if (!INFO_KEYS.includes(key))
      wrong(['_info', key], `unknown key; ${meant(key, INFO_KEYS) ?? `_info takes ${INFO_KEYS.join(', ')}`}`)
  checkLookupTags(isRecord(info) ? info : {}, wrong)
  checkWorkspace(content, wrong)
  checkTransform(content, wrong)
  return {
    format: readFormat(content, wrong),
    tags: readTags(tags, wrong),
    defaults: readDefaults(defaults, wrong),
    pluginConfigs: readPluginConfigs(content, wrong),
  }
}

type Wrong = (path: Path, text: string) => void

function readFormat({ _format_version: version }: Row, wrong: Wrong): Format {
  const format = formatOf(version)
  if (version === undefined)
    wrong([], `_format_version is missing; write _format_version: "${FORMAT_VERSION}"`)
  else if (format === 'unknown')
    wrong(['_format_version'], `version ${String(version)} is not supported; 1.1, 2.1 and 3.0 are`)
  return format
}

function checkWorkspace({ _workspace: workspace }: Row, wrong: Wrong): void {
  if (workspace !== undefined && workspace !== null && workspace !== 'default')
    wrong(['_workspace'], 'workspaces belong to Kong Enterprise; open-source Kong has "default" only')
}

/** With `false` a file gives secrets as Kong stores them, hashed; the Admin API takes them only as they are. */
function checkTransform({ _transform: transform }: Row, wrong: Wrong): void {
  if (transform === false)
    wrong(['_transform'], '_transform: false is not supported: remove it, and give passwords unhashed')
  else if (transform !== undefined && transform !== null && transform !== true)
    wrong(['_transform'], 'must be true')
}

function readPluginConfigs({ _plugin_configs: configs }: Row, wrong: Wrong): Row {
  if (configs === undefined || configs === null) return {}
  if (!isRecord(configs)) {
    wrong(['_plugin_configs'], 'must be a map: configurations by their names')
    return {}
  }
  for (const [name, config] of Object.entries(configs))
    if (!isRecord(config)) wrong(['_plugin_configs', name], 'must be a map: the configuration of a plugin')
  return configs
}

const isTags = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every(tag => typeof tag === 'string' && tag !== '')

function readTags(tags: unknown, wrong: Wrong): readonly string[] | undefined {
  if (tags === undefined || tags === null) return undefined
  if (isTags(tags)) return tags.length > 0 ? tags : undefined
  wrong(['_info', 'select_tags'], 'must be a list of tags')
  return undefined
}

function checkLookupTags({ default_lookup_tags: lookup }: Row, wrong: Wrong): void {
  if (lookup === undefined || lookup === null) return
  const path = ['_info', 'default_lookup_tags']
  if (!isRecord(lookup)) {
    wrong(path, 'must be a map: lists of tags by entity')
    return
  }
  const names: readonly string[] = LOOKUP_KEYS
  for (const [name, tags] of Object.entries(lookup)) {
    if (!names.includes(name))
      wrong([...path, name], `unknown entity; ${meant(name, names) ?? `there are ${names.join(', ')}`}`)
    else if (tags !== null && !isTags(tags)) wrong([...path, name], 'must be a list of tags')
  }
}

function readDefaults(defaults: unknown, wrong: Wrong): ReadonlyMap<KindName, Row> {
  const known = new Map<KindName, Row>()
  if (defaults === undefined || defaults === null) return known
  if (!isRecord(defaults)) {
    wrong(['_info', 'defaults'], 'must be a map')
    return known
  }
  for (const [name, row] of Object.entries(defaults)) {
    const kind = KIND_OF_DEFAULTS.get(name)
    const path = ['_info', 'defaults', name]
    if (!kind) wrong(path, `unknown entity; ${meant(name, [...KIND_OF_DEFAULTS.keys()]) ?? 'write service'}`)
    else if (!isRecord(row)) wrong(path, 'must be a map')
    else known.set(kind, row)
  }
  return known
}
