import { type FieldSchema, isObject, type Json, MASK, namedFields } from './schema.ts'

/** `absent`: not part of the value; `unset`: null, which Kong takes for "not set"; `set`: there, be it empty. */
export type Presence = 'absent' | 'unset' | 'set'

interface Part {
  readonly schema: FieldSchema
  readonly presence: Presence
}

export interface TextNode extends Part {
  readonly kind: 'text' | 'number' | 'json'
  readonly text: string
}

export interface ChoiceNode extends Part {
  readonly kind: 'choice'
  readonly value: unknown
  readonly options: readonly unknown[]
}

export interface ListNode extends Part {
  readonly kind: 'list'
  readonly items: readonly FormNode[]
}

export interface MapNode extends Part {
  readonly kind: 'map'
  readonly entries: readonly { readonly key: string; readonly node: FormNode }[]
}

export interface RecordNode extends Part {
  readonly kind: 'record'
  readonly fields: readonly { readonly name: string; readonly node: FormNode }[]
  /** What the schema does not know, such as deprecated fields that Kong adds: kept as it is. */
  readonly extras: Json
}

export interface ReferenceNode extends Part {
  readonly kind: 'reference'
  readonly id: string
}

/** A value of Kong as a form: one node a field. Immutable; an edit makes a new node. */
export type FormNode = TextNode | ChoiceNode | ListNode | MapNode | RecordNode | ReferenceNode

export interface FormFault {
  /** JSON pointer (RFC 6901). */
  readonly pointer: string
  readonly detail: string
}

/**
 * The form of a value. What does not have the type that the schema says becomes a field of JSON, so that every value
 * comes out of its form as it went in.
 *
 * @param value undefined: absent
 */
export function toNode(schema: FieldSchema, value: unknown): FormNode {
  const presence = value === undefined ? 'absent' : value === null ? 'unset' : 'set'
  const node = nodeOf(schema, presence, value ?? undefined)
  if (node) return node
  return { kind: 'json', schema, presence, text: value == null ? '' : JSON.stringify(value, null, 2) }
}

function nodeOf(schema: FieldSchema, presence: Presence, value: unknown): FormNode | undefined {
  const isFree = value === undefined
  const { type, one_of: oneOf } = schema
  const isScalar = ['string', 'number', 'boolean'].includes(typeof value)
  if (type === 'boolean' || (oneOf && type !== 'set' && type !== 'array')) {
    if (!isFree && (!isScalar || (type === 'boolean' && typeof value !== 'boolean'))) return undefined
    return { kind: 'choice', schema, presence, value, options: optionsOf(schema, value) }
  }
  switch (type) {
    case 'string':
      if (!isFree && typeof value !== 'string') return undefined
      return { kind: 'text', schema, presence, text: isFree ? '' : String(value) }
    case 'number':
    case 'integer':
      if (!isFree && typeof value !== 'number') return undefined
      return { kind: 'number', schema, presence, text: isFree ? '' : String(value) }
    case 'array':
    case 'set':
      if (!schema.elements || (!isFree && !Array.isArray(value))) return undefined
      return { kind: 'list', schema, presence, items: itemsOf(schema.elements, value) }
    case 'map':
      if (!schema.values || (!isFree && !isObject(value))) return undefined
      return { kind: 'map', schema, presence, entries: entriesOf(schema.values, value) }
    case 'record':
      if (!schema.fields || (!isFree && !isObject(value))) return undefined
      return recordNode(schema, presence, isObject(value) ? value : {})
    case 'foreign':
      if (!isFree && !isReference(value)) return undefined
      return { kind: 'reference', schema, presence, id: isReference(value) ? value.id : '' }
    default:
      return undefined
  }
}

const isReference = (value: unknown): value is { readonly id: string } =>
  isObject(value) && typeof value.id === 'string' && Object.keys(value).length === 1

function optionsOf({ type, one_of: oneOf }: FieldSchema, value: unknown): readonly unknown[] {
  const options = oneOf ?? (type === 'boolean' ? [true, false] : [])
  return value === undefined || options.includes(value) ? options : [...options, value]
}

const itemsOf = (elements: FieldSchema, value: unknown): readonly FormNode[] =>
  Array.isArray(value) ? value.map(item => toNode(elements, item)) : []

const entriesOf = (values: FieldSchema, value: unknown) =>
  isObject(value) ? Object.entries(value).map(([key, item]) => ({ key, node: toNode(values, item) })) : []

function recordNode(schema: FieldSchema, presence: Presence, value: Json): RecordNode {
  const known = namedFields(schema.fields)
  const names = new Set(known.map(([name]) => name))
  const extras = Object.fromEntries(Object.entries(value).filter(([name]) => !names.has(name)))
  const fields = known.map(([name, field]) => ({ name, node: toNode(field, value[name]) }))
  return { kind: 'record', schema, presence, fields, extras }
}

/** An element that was just added: there, and empty. */
export function newNode(schema: FieldSchema): FormNode {
  const node = toNode(schema, schema.default ?? undefined)
  return { ...node, presence: 'set' }
}

/** The value of a form, and what keeps it from having one. Undefined: absent. */
export function toValue(node: FormNode, pointer = ''): { value: unknown; faults: readonly FormFault[] } {
  const faults: FormFault[] = []
  const value = read(node, pointer, (at, detail) => faults.push({ pointer: at, detail }))
  return { value, faults }
}

type Complain = (pointer: string, detail: string) => void

function read(node: FormNode, pointer: string, complain: Complain): unknown {
  if (node.presence !== 'set') return node.presence === 'unset' ? null : undefined
  switch (node.kind) {
    case 'text':
      return node.text
    case 'number':
      return readNumber(node, pointer, complain)
    case 'json':
      return readJson(node, pointer, complain)
    case 'choice':
      return node.value
    case 'reference':
      if (node.id === '') complain(pointer, 'choose one, or unset it')
      return { id: node.id }
    case 'list':
      return node.items.map((item, i) => read(item, `${pointer}/${i}`, complain) ?? null)
    case 'map':
      return readMap(node, pointer, complain)
    case 'record':
      return readRecord(node, pointer, complain)
  }
}

function readNumber({ text, schema }: TextNode, pointer: string, complain: Complain): unknown {
  const number = Number(text)
  const isWrong = text.trim() === '' || Number.isNaN(number)
  if (isWrong) complain(pointer, 'must be a number')
  else if (schema.type === 'integer' && !Number.isInteger(number)) complain(pointer, 'must be an integer')
  return isWrong ? undefined : number
}

function readJson({ text }: TextNode, pointer: string, complain: Complain): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    complain(pointer, `must be JSON: ${(error as Error).message}`)
    return undefined
  }
}

function readMap({ entries }: MapNode, pointer: string, complain: Complain): unknown {
  const value: [string, unknown][] = []
  for (const { key, node } of entries) {
    const at = `${pointer}/${escapePointer(key)}`
    if (value.some(([name]) => name === key)) complain(at, `the key ${JSON.stringify(key)} occurs twice`)
    value.push([key, read(node, at, complain) ?? null])
  }
  return Object.fromEntries(value)
}

function readRecord({ fields, extras }: RecordNode, pointer: string, complain: Complain): unknown {
  const value: [string, unknown][] = []
  for (const { name, node } of fields) {
    const item = read(node, `${pointer}/${escapePointer(name)}`, complain)
    if (item !== undefined) value.push([name, item])
  }
  return { ...Object.fromEntries(value), ...extras }
}

/** A part of a JSON pointer (RFC 6901, 3). */
export const escapePointer = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1')

/** A record with one of its fields edited; it is there from then on. */
export const withField = (record: RecordNode, name: string, node: FormNode): RecordNode => ({
  ...record,
  presence: 'set',
  fields: record.fields.map(field => (field.name === name ? { name, node } : field)),
})

/** Takes a value away: null where it was there before or has a default, else absent. */
export const unsetNode = (node: FormNode, isNew: boolean): FormNode => ({
  ...toNode(node.schema, undefined),
  presence: isNew && node.schema.default === undefined ? 'absent' : 'unset',
})

/** Names of configuration fields that hold secrets although their schema does not say so. */
const SECRET_NAME = /passw|secret|token|private_key|api_?key|credential/i

/** Whether a field holds a secret, which is not shown while it is typed. */
export const isSecret = (name: string, { encrypted, type }: FieldSchema): boolean =>
  type === 'string' && (encrypted === true || SECRET_NAME.test(name))

/** Whether the node holds a secret that is not known here, and stays as it is. */
export const isMasked = (node: FormNode): boolean => node.kind === 'text' && node.text === MASK
