import type { Method } from '../../protocol/calls.ts'

export interface Write {
  readonly method: Method
  readonly args: readonly unknown[]
}

export type HeaderFields = Readonly<Record<string, string | readonly string[]>>

/** Joins neighbouring `set_header` and `set_headers` calls into one; a later value replaces an earlier one. */
export function mergeHeaderWrites(writes: readonly Write[]): readonly Write[] {
  // The usual case: there is nothing to join.
  if (writes.length === 1 && writes[0]?.method === 'kong.response.set_headers') return writes
  return joinNeighbours(writes, 'kong.response.set_header', 'kong.response.set_headers')
}

const REQUEST_HEADER_WRITES: readonly Method[] = [
  'kong.service.request.set_header',
  'kong.service.request.set_headers',
]

/** The same for headers of the request to the service: members of a composed plugin share one call. */
export function mergeRequestWrites(writes: readonly Write[]): readonly Write[] {
  if (writes.length === 1) return writes
  const isHeaderWrite = (write?: Write) => write !== undefined && REQUEST_HEADER_WRITES.includes(write.method)
  if (!writes.some((write, index) => isHeaderWrite(write) && isHeaderWrite(writes[index - 1]))) return writes
  return joinNeighbours(writes, 'kong.service.request.set_header', 'kong.service.request.set_headers')
}

function joinNeighbours(writes: readonly Write[], one: Method, several: Method): readonly Write[] {
  const merged: Write[] = []
  /** By lower-case name: names are one whatever their case. */
  let fields: Map<string, readonly [name: string, value: unknown]> | undefined
  const close = () => {
    if (fields) merged.push({ method: several, args: [Object.fromEntries(fields.values())] })
    fields = undefined
  }
  const set = (name: string, value: unknown) => {
    fields ??= new Map()
    fields.set(name.toLowerCase(), [name, value])
  }
  for (const write of writes) {
    const [first, second] = write.args
    if (write.method === one) set(first as string, second)
    else if (write.method === several)
      for (const [name, value] of Object.entries(first as object)) set(name, value)
    else {
      close()
      merged.push(write)
    }
  }
  close()
  return merged
}

/** Both sets of headers; `above` wins. */
export function overlayHeaders(below: HeaderFields, above: HeaderFields): HeaderFields {
  const taken = new Set(Object.keys(above).map(name => name.toLowerCase()))
  const kept = Object.entries(below).filter(([name]) => !taken.has(name.toLowerCase()))
  return { ...Object.fromEntries(kept), ...above }
}
