import { entryOf, type FieldSpec, isObject, type SchemaSpec } from '../../kong/schema/spec.ts'

/** Uniform in [0, 1). */
export type Random = () => number

/** What a seed repeats (mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export const pickFrom = <T>(random: Random, items: readonly T[]): T =>
  items[Math.floor(random() * items.length)] as T

/** Mostly of the first ones. */
const pickMostlyGood = <T>(random: Random, items: readonly T[]): T =>
  pickFrom(random, random() < 0.85 ? items.slice(0, Math.ceil(items.length / 4)) : items)

/** Values by the name of the field, the good ones first. */
export type Texts = Readonly<Record<string, readonly unknown[]>>

const WORDS = ['a', 'abc', 'x-y', 'x_y', 'a b', 'ä', 'A.b~c', '1', 'a/b', 'a,b', '日本', 'x'.repeat(300)]
const HOSTS = [
  ...[
    'example.test',
    'a.b.c',
    '10.0.0.1',
    '::1',
    '[::1]',
    '[::1]:80',
    'example.test:80',
    'ex_ample',
    '-x.test',
  ],
  ...[
    'a..b',
    'a b',
    '*.example.test',
    'example.*',
    '*',
    'a.*.b',
    '.a',
    'a.',
    '1.2.3',
    '1.2.3.4.5',
    'ä.test',
    '256.1.1.1',
  ],
]
const PATHS = [
  ...[
    '/',
    '/a',
    '/a/b',
    '/a//b',
    'a',
    '/ä',
    '/a b',
    '/a%20b',
    '/a%2',
    '/%zz',
    '/a?b',
    '/a#b',
    '~/a',
    '~/(',
    '~a',
    '/a[b',
    '//',
  ],
  ...[
    '~/\\d+',
    '~/(?<x>a)',
    '~/(?P<x>a)',
    '/a*b',
    '/:x',
    '/a;b',
    '~/[',
    '/~',
    '/.',
    '/a/../b',
    '/{x}',
    '/a|b',
    '~/a{2,1}',
  ],
]
const HEADERS = ['x-a', 'X-A_b', 'x a', 'host', 'Host', 'ä', 'x:y', 'x-a:b', 'x-a:', ':b', 'a:b:c', '']
const URLS = [
  ...[
    'http://example.test',
    'https://example.test:8443/p',
    'http://10.0.0.1/a?b=c',
    'example.test',
    'ftp://example.test',
  ],
  ...[
    'http://',
    'http:///x',
    'http://[::1]:80/',
    'http://a b',
    'grpc://h',
    'tcp://h:1',
    'http://u:p@h/',
    'HTTP://H',
    '/x',
  ],
  ...[
    'http://h:99999',
    'http://h:0',
    'http://h:x',
    'ws://h',
    'http://h/#f',
    '//h',
    'http:h',
    'http://h/a b',
    'http://ä',
  ],
]
const ADDRESSES = [
  '10.0.0.1',
  '10.0.0.0/8',
  '::1',
  'fe80::/10',
  '10.0.0.1/33',
  '10.0.0',
  'x',
  '10.0.0.1/',
  '::1/129',
  '10.1.1.1/8',
]
const KINDS_OF_TEXT: readonly (readonly [RegExp, readonly unknown[]])[] = [
  [/^(hosts?|host_header|hostname|server_name|snis?|proxy_host|healthcheck.*host|https_sni)$/, HOSTS],
  [/^target$/, [...HOSTS, 'example.test:8080', '10.0.0.1:0', '10.0.0.1:99999', 'a:b']],
  [/(path|paths|uri|prefix)$/, PATHS],
  [/(url|endpoint|urls)$|^(endpoint)/, URLS],
  [/headers?$/, HEADERS],
  [/^(ip|allow|deny|trusted_ips)$/, [...ADDRESSES, ...WORDS]],
  [/(methods?)$/, ['GET', 'get', 'POST', 'G T', 'X-Y', '', 'PURGE1']],
  [/regex|pattern|expression/, ['a', '(', '[a-z]+', '\\d', '(?<x>a)', '(?i)a', 'http.path == "/"', '*']],
]

/** Anything but what is expected. */
export const ODDITIES: readonly unknown[] = [
  ...[
    null,
    '',
    ' ',
    'x',
    'ä',
    '1',
    'true',
    0,
    -1,
    1,
    1.5,
    80,
    65_535,
    65_536,
    1e10,
    1e300,
    -0.5,
    2 ** 53,
    true,
    false,
  ],
  ...[
    [],
    {},
    [null],
    [1, '1'],
    ['a', 'a'],
    { x: 1 },
    [[]],
    [{}],
    { 1: 'a' },
    { '': 1 },
    '{vault://env/x}',
    '{vault://',
  ],
  ...['\u00e9'.repeat(200), '00000000-0000-0000-0000-000000000000', '2cf5fdd6-8e4b-4d6a-9b0e-1a2b3c4d5e6f'],
]

interface Making {
  readonly random: Random
  readonly texts: Texts
  /** How often something odd stands in the place of a value. */
  readonly wild: number
}

/** A body for a schema: mostly what it asks for, now and then something else. */
export function randomBody(
  random: Random,
  { fields, shorthand_fields: shorthands = [] }: Pick<SchemaSpec, 'fields' | 'shorthand_fields'>,
  texts: Texts,
): Record<string, unknown> {
  const making = { random, texts, wild: pickFrom(random, [0, 0, 0.02, 0.1, 0.3]) }
  return randomRecord(making, { fields, shorthand_fields: shorthands })
}

function randomRecord(
  making: Making,
  { fields = [], shorthand_fields: shorthands = [] }: Pick<FieldSpec, 'fields' | 'shorthand_fields'>,
): Record<string, unknown> {
  const { random, wild } = making
  const density = pickFrom(random, [0.1, 0.3, 0.6])
  const body: Record<string, unknown> = {}
  for (const field of fields) {
    const [name, spec] = entryOf(field)
    const isNeeded = spec.required === true && spec.default === undefined && !spec.auto
    if (random() < (isNeeded ? 1 - wild / 3 : spec.auto ? wild / 5 : density))
      body[name] = valueFor(making, name, spec)
  }
  for (const field of shorthands) {
    const [name, spec] = entryOf(field)
    if (random() < density / 3) body[name] = valueFor(making, name, spec)
  }
  if (random() < wild / 4)
    body[pickFrom(random, ['x', 'naem', 'Name', '1', 'config', 'id ', '__proto__x'])] = pickFrom(
      random,
      ODDITIES,
    )
  return body
}

function valueFor(making: Making, name: string, spec: FieldSpec): unknown {
  const { random, wild, texts } = making
  if (random() < wild) return structuredClone(pickFrom(random, ODDITIES))
  if (random() < 0.03) return null
  const own = texts[name]
  if (own && (spec.type === 'string' || spec.type === 'foreign' || spec.type === undefined))
    return structuredClone(pickMostlyGood(random, own))
  if (spec.one_of && random() < 0.95) return pickFrom(random, spec.one_of)
  switch (spec.type) {
    case 'string':
      return textFor(making, name, spec)
    case 'integer':
    case 'number':
      return numberFor(making, spec)
    case 'boolean':
      return random() < 0.5
    case 'array':
    case 'set':
      return Array.from({ length: lengthFor(making, spec) }, () =>
        valueFor(making, name, spec.elements ?? {}),
      )
    case 'map':
      return Object.fromEntries(
        Array.from({ length: lengthFor(making, spec) }, () => [
          String(valueFor(making, name, { type: 'string', ...spec.keys })),
          valueFor(making, name, spec.values ?? {}),
        ]),
      )
    case 'record':
      return randomRecord(making, spec)
    default:
      return structuredClone(pickFrom(random, ODDITIES))
  }
}

function lengthFor(
  { random }: Making,
  { len_eq: exact, len_min: least = 0, len_max: most = 4 }: FieldSpec,
): number {
  if (exact !== undefined && random() < 0.9) return exact
  return random() < 0.9
    ? least + Math.floor(random() * (Math.min(most, least + 3) - least + 1))
    : Math.floor(random() * 6)
}

function textFor({ random }: Making, name: string, spec: FieldSpec): unknown {
  if (spec.uuid) return pickFrom(random, ODDITIES.slice(-2))
  const pool = KINDS_OF_TEXT.find(([pattern]) => pattern.test(name))?.[1] ?? WORDS
  if (spec.len_eq !== undefined || spec.len_min !== undefined || spec.len_max !== undefined)
    if (random() < 0.7)
      return 'k'.repeat(
        Math.max(0, (spec.len_eq ?? spec.len_min ?? 1) + Math.floor(random() * 3) - (random() < 0.2 ? 1 : 0)),
      )
  return pickMostlyGood(random, pool)
}

function numberFor({ random }: Making, { between, gt, type }: FieldSpec): number {
  const [low, high] = between ?? [gt ?? 0, (gt ?? 0) + 100]
  const edges = [low, high, low - 1, high + 1, low + 1]
  if (random() < 0.15) return pickFrom(random, edges)
  const value = low + random() * (Math.min(high, low + 1_000) - low)
  return type === 'integer' ? Math.ceil(value) : value
}

/** The body without what the difference does not need. @param differs whether it still shows */
export async function shrunk(
  body: Readonly<Record<string, unknown>>,
  differs: (body: Record<string, unknown>) => Promise<boolean>,
): Promise<Record<string, unknown>> {
  let smallest = { ...body }
  for (const path of pathsOf(smallest)) {
    const smaller = without(smallest, path) as Record<string, unknown>
    if (await differs(smaller)) smallest = smaller
  }
  return smallest
}

function pathsOf(value: unknown): (readonly string[])[] {
  if (!isObject(value)) return []
  return Object.entries(value).flatMap(([name, inner]) => [
    [name],
    ...pathsOf(inner).map(path => [name, ...path]),
  ])
}

function without(value: unknown, [first = '', ...rest]: readonly string[]): unknown {
  if (!isObject(value) || !Object.hasOwn(value, first)) return value
  const { [first]: inner, ...others } = value
  return rest.length === 0 ? others : { ...others, [first]: without(inner, rest) }
}
