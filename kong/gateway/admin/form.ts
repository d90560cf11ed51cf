import { groupBy } from '../../../foundation/group-by.ts'
import type { Field, RecordSchema } from '../../schema/field.ts'
import type { Schema } from '../../schema/schema.ts'
import { isObject } from '../../schema/spec.ts'

/**
 * Bodies and queries as people type them with curl: `paths[]=/a`, `tags[1]=x`, `config.key_names[]=apikey`,
 * `headers[x-version]=1`. Everything is text; the schema says what is a number, a switch or a list.
 */

type Tree = Record<string, unknown>

/** A list in the making, so that `a[]` and `a[2]` can be told from a map. */
type Node = Tree | unknown[]

/** Reads pairs into nested records and lists. A name that comes several times becomes a list. */
export function nest(pairs: Iterable<readonly [name: string, value: string]>): Tree {
  const tree: Tree = Object.create(null)
  for (const [name, group] of groupBy(pairs, ([name]) => name)) {
    const values = group.map(([, value]) => value)
    put(tree, keysOf(name), values.length > 1 ? values : (values[0] ?? ''))
  }
  return structuredClone(tree)
}

/** `config.key_names[]` → `config`, `key_names`, ``. A key in brackets may hold dots. */
function keysOf(name: string): string[] {
  if (/^\.|\.$/.test(name)) return [name]
  const keys: string[] = []
  for (const match of name.matchAll(/([^.[\]]+)|\[([^\]]*)\]/g)) keys.push(match[1] ?? match[2] ?? '')
  return keys.length > 0 ? keys : [name]
}

const isIndex = (key: string): boolean => key === '' || /^\d+$/.test(key)

function put(root: Tree, keys: readonly string[], value: string | readonly string[]): void {
  let node: Node = root
  for (const [i, key] of keys.entries()) {
    if (i === keys.length - 1) {
      assign(node, key, value)
      return
    }
    const next = child(node, key, isIndex(keys[i + 1] ?? '') ? [] : Object.create(null))
    if (!next) return
    node = next
  }
}

function assign(node: Node, key: string, value: string | readonly string[]): void {
  const values = Array.isArray(value) ? (value as readonly string[]) : undefined
  if (!Array.isArray(node)) {
    const present = node[key]
    node[key] = Array.isArray(present) ? present.concat(value) : value
  } else if (key === '') node.push(...(values ?? [value]))
  else node.splice(Number(key) - 1, 0, ...(values ?? [value]))
}

/** The node beneath `key`, made when it is missing; nothing when something else stands there. */
function child(node: Node, key: string, fresh: Node): Node | undefined {
  const at: string | number = Array.isArray(node) ? (key === '' ? node.length : Number(key) - 1) : key
  const holder = node as Record<string | number, unknown>
  holder[at] ??= fresh
  const found = holder[at]
  return typeof found === 'object' && found !== null ? (found as Node) : undefined
}

/** Gives the texts of a form the types of the schema's fields; the empty text means null. */
export function inferTypes(data: Tree, schema: Schema): Tree {
  const out: Tree = { ...data }
  for (const [name, field] of schema.fieldsFor(data)) {
    if (out[name] !== undefined) out[name] = infer(out[name], field)
  }
  if (schema.spec.ttl && typeof out.ttl === 'string') out.ttl = number(out.ttl)
  return out
}

const number = (text: unknown): unknown => {
  const value = typeof text === 'string' && text.trim() !== '' ? Number(text) : Number.NaN
  return Number.isNaN(value) ? text : value
}

function infer(value: unknown, field: Field | undefined): unknown {
  if (!field) return value
  if (value === '' || value === null) return null
  switch (field.spec.type) {
    case 'number':
    case 'integer':
      return number(value)
    case 'boolean':
      return value === 'true' ? true : value === 'false' ? false : value
    case 'array':
    case 'set':
      if (isObject(value)) return value
      return (Array.isArray(value) ? value : [value]).map(item => infer(item, field.elements))
    case 'map':
      return isObject(value) ? mapValues(value, item => infer(item, field.values)) : value
    case 'record':
      return field.spec.abstract || !isObject(value) || !field.record
        ? value
        : inferFields(value, field.record)
    default:
      return value
  }
}

const inferFields = (tree: Tree, { fields, shorthands }: RecordSchema): Tree =>
  mapValues(tree, (item, name) => infer(item, fields.get(name) ?? shorthands.get(name)))

const mapValues = (tree: Tree, change: (value: unknown, name: string) => unknown): Tree =>
  Object.fromEntries(Object.entries(tree).map(([name, value]) => [name, change(value, name)]))
