/**
 * Everything that code can reach from a value without leaving it for the global object: properties of any key, those
 * of prototypes, what getters give, members of maps and sets, and whatever `more` makes of what was found.
 */
export function reachableFrom(roots: Readonly<Record<string, unknown>>): { place: string; value: unknown }[] {
  const seen = new Set<unknown>(GLOBALS)
  const found: { place: string; value: unknown }[] = []
  const waiting = Object.entries(roots).map(([place, value]) => ({ place, value }))
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { place, value } = next
    if (typeof value === 'string' || value instanceof Uint8Array) {
      found.push(next)
      continue
    }
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value))
      continue
    seen.add(value)
    found.push(next)
    for (const [name, child] of childrenOf(value)) waiting.push({ place: `${place}${name}`, value: child })
  }
  return found
}

/** What a plugin has anyway. */
const GLOBALS: readonly unknown[] = [
  globalThis,
  process,
  process.env,
  ...Object.getOwnPropertyNames(globalThis).map(name => (globalThis as Record<string, unknown>)[name]),
]

/** Its getters are for its instances: called on itself, one that remembers what it gives would spoil all of them. */
const isPrototype = (value: object): boolean =>
  typeof value.constructor === 'function' &&
  Object.hasOwn(value, 'constructor') &&
  value.constructor.prototype === value

function childrenOf(value: object): [name: string, child: unknown][] {
  if (isPrototype(value))
    return Object.entries(Object.getOwnPropertyDescriptors(value)).map(([name, found]) => [
      `.${name}`,
      found.value ?? found.get,
    ])
  const children: [string, unknown][] = []
  for (let at: object | null = value; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    for (const key of Reflect.ownKeys(at)) {
      try {
        children.push([`.${String(key)}`, Reflect.get(at, key, value)])
      } catch {
        // A getter that wants another receiver, or refuses.
      }
    }
  }
  if (value instanceof Map)
    for (const [key, item] of value) children.push([`[${String(key)}]`, item], ['[key]', key])
  if (value instanceof Set) for (const item of value) children.push(['[]', item])
  return children
}
