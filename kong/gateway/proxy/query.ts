/** Query arguments as OpenResty reads and writes them. `true` stands for an argument without `=`. */
export type QueryValue = string | true
export type Query = Record<string, QueryValue | readonly QueryValue[]>

/** Reads at most `max` arguments of a raw query. */
export function parseQuery(raw: string, max = 100): Query {
  const query: Query = {}
  let left = max
  for (const part of raw.split('&')) {
    if (left === 0) break
    const equals = part.indexOf('=')
    const name = decodeText(equals < 0 ? part : part.slice(0, equals))
    if (name === '') continue
    const value = equals < 0 ? true : decodeText(part.slice(equals + 1))
    const before = Object.hasOwn(query, name) ? query[name] : undefined
    if (before === undefined)
      Object.defineProperty(query, name, { value, enumerable: true, writable: true, configurable: true })
    else query[name] = Array.isArray(before) ? [...before, value] : [before as QueryValue, value]
    left--
  }
  return query
}

/** Decodes `%XX` and `+`; what is no escape stays as it is. */
function decodeText(text: string): string {
  if (!text.includes('%') && !text.includes('+')) return text
  const bytes = text
    .replaceAll('+', ' ')
    .replace(/%([\da-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

/** Writes arguments in the order of their encoded text, as Kong's `set_query` does. */
export function formatQuery(query: Readonly<Record<string, unknown>>): string {
  return Object.entries(query)
    .map(([name, value]) => (Array.isArray(value) ? value : [value]).map(v => formatArgument(name, v)))
    .map(parts => parts.filter(part => part !== undefined).join('&'))
    .filter(part => part !== '')
    .sort()
    .join('&')
}

function formatArgument(name: string, value: unknown): string | undefined {
  if (value === true) return encodeURIComponent(name)
  if (value === false || value === null || value === undefined) return undefined
  return `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`
}

/** Takes every argument of one name out of a raw query, leaving the others as they are written. */
export function withoutArgument(raw: string, name: string): string {
  return raw
    .split('&')
    .filter(part => decodeText(part.split('=', 1)[0]!) !== name)
    .join('&')
}
