import type { Exchange } from '../proxy/exchange.ts'
import type { HeaderValue } from '../proxy/header-map.ts'
import { definePlugin } from './builtin.ts'
import { appendValue, type Pair, readHeaderPairs, readPairs } from './pairs.ts'

type JsonType = 'boolean' | 'number' | 'string'

interface Entries {
  readonly json: readonly string[]
  readonly headers: readonly string[]
}

interface TypedEntries extends Entries {
  /** By the position of the value in `json`. */
  readonly json_types: readonly JsonType[]
}

interface Config {
  readonly remove: Entries
  readonly rename: Entries
  readonly replace: TypedEntries
  readonly add: TypedEntries
  readonly append: TypedEntries
}

type Transform = (exchange: Exchange) => void

export const responseTransformer = definePlugin<Config>({
  name: 'response-transformer',
  priority: 800,
  start: ({ logger }) => ({
    configure(config) {
      const changeHeaders = headerChanges(config)
      const changeJson = jsonChanges(config)
      return {
        headerFilter(exchange) {
          const { responseHeaders } = exchange
          const isJson = () => isJsonType(responseHeaders.joined('content-type'))
          const wasJson = isJson()
          changeHeaders(exchange)
          if (!changeJson || !wasJson) return
          responseHeaders.delete('content-length')
          if (!isJson()) return
          exchange.bodyFilters.push(body => {
            const value = parseTable(body.toString('utf8'))
            if (value) return Buffer.from(JSON.stringify(changeJson(value)))
            logger.warn({ plugin: 'response-transformer' }, 'body transform failed: failed parsing json body')
            return body
          })
        },
      }
    },
  }),
})

function headerChanges({ remove, rename, replace, add, append }: Config): Transform {
  const [removed, renamed, replaced, added, appended] = [remove, rename, replace, add, append].map(
    ({ headers }) => readHeaderPairs(headers),
  ) as [readonly Pair[], readonly Pair[], readonly Pair[], readonly Pair[], readonly Pair[]]
  return ({ responseHeaders }) => {
    // Renaming, replacing and adding look at the fields as they were before all of it.
    const before = responseHeaders.clone()
    for (const { name } of removed) responseHeaders.delete(name)
    for (const { name, value } of renamed) {
      const present = before.value(name)
      if (present === undefined || value === undefined) continue
      responseHeaders.set(value, present)
      responseHeaders.delete(name)
    }
    const set = (name: string, value: HeaderValue | undefined, wanted: boolean) => {
      if (value !== undefined && before.has(name) === wanted) responseHeaders.set(name, value)
    }
    for (const { name, value } of replaced) set(name, value, true)
    for (const { name, value } of added) set(name, value, false)
    for (const { name, value } of appended) if (value !== undefined) responseHeaders.add(name, value)
  }
}

type Table = Record<string, unknown>

function jsonChanges(config: Config): ((table: Table) => Table) | undefined {
  const { remove, rename, replace, add, append } = config
  if ([remove, rename, replace, add, append].every(({ json }) => json.length === 0)) return undefined
  const removed = readPairs(remove.json)
  const renamed = readPairs(rename.json)
  const [replaced, added, appended] = [replace, add, append].map(typedValues) as [Typed, Typed, Typed]
  return given => {
    const table = { ...given }
    const isMissing = (name: string) => table[name] === undefined || table[name] === false
    for (const { name } of removed) delete table[name]
    for (const { name, value } of renamed) {
      if (table[name] === undefined || value === undefined) continue
      table[value] = table[name]
      delete table[name]
    }
    for (const [name, value] of replaced) if (!isMissing(name)) table[name] = value
    for (const [name, value] of added) if (isMissing(name)) table[name] = value
    for (const [name, value] of appended) table[name] = appendValue(table[name], value)
    return table
  }
}

type Typed = readonly (readonly [name: string, value: string | number | boolean])[]

/** Numbers that are none are left out. */
function typedValues({ json, json_types }: TypedEntries): Typed {
  return readPairs(json).flatMap(({ name, value }, i): Typed => {
    if (value === undefined) return []
    if (json_types[i] === 'boolean') return [[name, value === 'true']]
    if (json_types[i] !== 'number') return [[name, value]]
    return Number.isNaN(Number(value)) ? [] : [[name, Number(value)]]
  })
}

/** `application/json`, whatever its parameters; of several types one is enough. */
const isJsonType = (types: string | undefined): boolean =>
  types?.split(',').some(type => /^\s*application\/(json|\*)\s*(;|$)/i.test(type)) ?? false

function parseTable(text: string): Table | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Table) : undefined
  } catch {
    return undefined
  }
}
