import { expandShorthands, shorthandEntries } from '../schema/shorthand.ts'
import { entryOf, type FieldSpec, isObject, type SchemaSpec } from '../schema/spec.ts'
import type { Row } from './change.ts'

/**
 * Replaces shorthands by the fields that they stand for, at any depth: `url` of a service, and the deprecated fields
 * of plugins (`redis_host` for `redis.host`), which Kong reports beside the new ones.
 */
export function expandRecord(row: Row, spec: FieldSpec | SchemaSpec): Row {
  const shorthands = new Map(
    shorthandEntries(spec.shorthand_fields).map(([name, shorthand]) => [name, { spec: shorthand }]),
  )
  const out = expandShorthands(shorthands, row)
  for (const field of spec.fields ?? []) {
    const [name, fieldSpec] = entryOf(field)
    if (fieldSpec.type === 'record' && isObject(out[name])) out[name] = expandRecord(out[name], fieldSpec)
  }
  return out
}

/** `url` of a service with parts for which Kong has no place: it would drop them. */
export function urlProblem(url: string): string | undefined {
  const match = /^[a-z][a-z0-9+._-]*:\/\/([^/?#]+)([^?#]*)(\?[^#]*)?(#.*)?$/i.exec(url)
  if (!match) return 'must be a URL such as http://host:8080/path'
  const [, authority = '', , query, fragment] = match
  // The user information may be a password.
  if (authority.includes('@'))
    return 'a service takes no user information in its URL; send it by a plugin (request-transformer)'
  if (query !== undefined) return `a service takes no query in its URL: ${query}`
  return fragment === undefined ? undefined : `a service takes no fragment in its URL: ${fragment}`
}
