/** Where in the dashboard: the part of the address behind `#`. */
export interface Place {
  /** `['services', '4f…']` */
  readonly path: readonly string[]
  readonly query: URLSearchParams
}

export function readPlace(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#?\/?/, '').split('?')
  const parts = path.split('/').filter(part => part !== '')
  return { path: parts.map(decode), query: new URLSearchParams(query) }
}

/** @param query empty values are left out */
export function writePlace(path: readonly string[], query: Readonly<Record<string, string>> = {}): string {
  const filled = Object.entries(query).filter(([, value]) => value !== '')
  const text = new URLSearchParams(filled).toString()
  return `#/${path.map(encodeURIComponent).join('/')}${text === '' ? '' : `?${text}`}`
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
