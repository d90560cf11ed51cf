/** The parts of a URL as LuaSocket's `url.parse` takes it apart, which refuses nothing but the empty string. */
export interface UrlParts {
  readonly scheme: string | undefined
  readonly userInfo: string | undefined
  readonly host: string | undefined
  readonly port: string | undefined
  readonly path: string | undefined
  readonly fragment: string | undefined
}

const URL_PARTS = /^(?:([a-z0-9][a-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#;]*)[^#]*(?:#(.*))?$/is
const AUTHORITY = /^(?:([^@]*)@)?(.*?)(?::([^:\]]*))?$/s

export function splitUrl(url: string): UrlParts {
  const [, scheme, authority = '', path, fragment] = URL_PARTS.exec(url) ?? []
  const [, userInfo, host, port] = AUTHORITY.exec(authority) ?? []
  return {
    scheme,
    userInfo,
    host: host?.replace(/^\[(.+)\]$/, '$1') || undefined,
    port,
    path: path || undefined,
    fragment,
  }
}

export function checkUrl(url: string): string | undefined {
  const { host, scheme } = splitUrl(url)
  if (host === undefined) return 'missing host in url'
  return scheme === undefined ? 'missing scheme in url' : undefined
}
