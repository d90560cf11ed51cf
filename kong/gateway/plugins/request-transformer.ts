import { PLUGIN_BODY_BYTES } from '../proxy/body.ts'
import type { Exchange } from '../proxy/exchange.ts'
import { parseQuery } from '../proxy/query.ts'
import { escapePath } from '../router/path.ts'
import { type BodyFields, kindOf, parseFields, writeBodyFields } from './body-fields.ts'
import { definePlugin } from './builtin.ts'
import { appendValue, readHeaderPairs, readPairs } from './pairs.ts'
import { compileTemplate, type Names, type Template } from './template.ts'

type Part = 'headers' | 'querystring' | 'body'
type Entries = Readonly<Record<Part, readonly string[]>>

interface Config {
  readonly http_method: string | null
  readonly remove: Entries
  readonly rename: Entries
  readonly replace: Entries & { readonly uri: string | null }
  readonly add: Entries
  readonly append: Entries
}

interface Change {
  readonly name: string
  readonly render: Template
}

/** What is done to headers, arguments or fields of a body, in this order. */
interface Changes {
  readonly remove: readonly string[]
  readonly rename: readonly (readonly [from: string, to: string])[]
  readonly replace: readonly Change[]
  readonly add: readonly Change[]
  readonly append: readonly Change[]
}

export const requestTransformer = definePlugin<Config>({
  name: 'request-transformer',
  priority: 801,
  start: () => ({
    configure(config) {
      const uri = config.replace.uri === null ? undefined : compileTemplate(config.replace.uri)
      const method = config.http_method?.toUpperCase()
      const [headers, query, body] = (['headers', 'querystring', 'body'] as const).map(part =>
        compileChanges(config, part),
      ) as [Changes, Changes, Changes]
      return {
        async access(exchange) {
          const names = namesOf(exchange)
          if (uri && exchange.destination) exchange.destination.path = escapePath(uri(names))
          if (method) await setMethod(exchange, method)
          changeHeaders(exchange, headers, names)
          if (!isEmpty(body)) await changeBody(exchange, body, names)
          if (!isEmpty(query)) changeQuery(exchange, query, names)
        },
      }
    },
  }),
})

function compileChanges(config: Config, part: Part): Changes {
  const read = part === 'headers' ? readHeaderPairs : readPairs
  const templates = (entries: readonly string[]) =>
    read(entries).flatMap(({ name, value }) =>
      value === undefined ? [] : [{ name, render: compileTemplate(value) }],
    )
  return {
    remove: readPairs(config.remove[part]).map(({ name }) => name),
    rename: readPairs(config.rename[part]).flatMap(({ name, value }) =>
      value === undefined ? [] : [[name, value] as const],
    ),
    replace: templates(config.replace[part]),
    add: templates(config.add[part]),
    append: templates(config.append[part]),
  }
}

const isEmpty = (changes: Changes): boolean => Object.values(changes).every(list => list.length === 0)

/** What templates may name. */
function namesOf(exchange: Exchange): Names {
  const { headers, match } = exchange
  return {
    headers: name => headers.value(String(name)) ?? headers.value(String(name).replaceAll('_', '-')),
    query_params: name => exchange.query[name],
    uri_captures: name =>
      typeof name === 'number' ? match?.captures?.unnamed[name] : match?.captures?.named[name],
    shared: name => exchange.shared.get(String(name)),
  }
}

/** A form that is sent with GET, HEAD or TRACE goes into the query. */
async function setMethod(exchange: Exchange, method: string): Promise<void> {
  exchange.method = method
  if (method !== 'GET' && method !== 'HEAD' && method !== 'TRACE') return
  if (kindOf(exchange) !== 'form') return
  const body = await exchange.body.whole(PLUGIN_BODY_BYTES)
  const query: Record<string, unknown> = { ...exchange.query }
  for (const [name, value] of Object.entries(parseQuery(body?.toString('latin1') ?? '')))
    query[name] = query[name] === undefined ? value : [query[name], value].flat()
  if (body?.length) exchange.setQuery(query)
}

function changeHeaders(exchange: Exchange, changes: Changes, names: Names): void {
  const { headers } = exchange
  const isHost = (name: string) => name.toLowerCase() === 'host'
  for (const name of changes.remove) if (!isHost(name)) headers.delete(name)
  for (const [from, to] of changes.rename) {
    const value = isHost(from) ? undefined : headers.value(from)
    if (value === undefined) continue
    headers.delete(from)
    headers.set(to, value)
  }
  for (const { name, render } of changes.replace)
    if (headers.has(name) || isHost(name)) exchange.setUpstreamHeader(name, render(names))
  for (const { name, render } of changes.add)
    if (!headers.has(name) && !isHost(name)) headers.set(name, render(names))
  for (const { name, render } of changes.append) headers.add(name, render(names))
}

function changeQuery(exchange: Exchange, changes: Changes, names: Names): void {
  const query: Record<string, unknown> = { ...exchange.query }
  changeFields(query, changes, names)
  exchange.setQuery(query)
}

async function changeBody(exchange: Exchange, changes: Changes, names: Names): Promise<void> {
  const kind = kindOf(exchange)
  if (!kind) return
  // A body that is too long for Kong's buffer counts as none.
  const text = (await exchange.body.whole(PLUGIN_BODY_BYTES))?.toString('utf8') ?? ''
  const fields: BodyFields | undefined =
    text === '' ? { kind, values: {} } : parseFields(exchange, kind, text)
  if (!fields) return
  const values = { ...fields.values }
  const { add, append } = changes
  const wanted = text === '' ? { remove: [], rename: [], replace: [], add, append } : changes
  if (changeFields(values, kind === 'multipart' ? { ...wanted, append: [] } : wanted, names))
    writeBodyFields(exchange, { kind, values })
}

/** @returns whether anything was changed */
function changeFields(values: Record<string, unknown>, changes: Changes, names: Names): boolean {
  let isChanged = changes.remove.length > 0
  const isMissing = (name: string) => values[name] === undefined || values[name] === false
  const set = (name: string, value: unknown) => {
    values[name] = value
    isChanged = true
  }
  for (const name of changes.remove) delete values[name]
  for (const [from, to] of changes.rename) {
    if (isMissing(from) || from === to) continue
    set(to, values[from])
    delete values[from]
  }
  for (const { name, render } of changes.replace) if (!isMissing(name)) set(name, render(names))
  for (const { name, render } of changes.add) if (isMissing(name)) set(name, render(names))
  for (const { name, render } of changes.append) set(name, appendValue(values[name], render(names)))
  return isChanged
}
