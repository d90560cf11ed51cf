/** What nginx decides by itself, before or after Kong: requests that it refuses, and answers without a body. */
import type { Exchange } from './exchange.ts'
import { isValidHost } from './log-entry.ts'

/** One of `large_client_header_buffers`: a line of the head must fit. */
const MAX_LINE_BYTES = 8_192
const BROKEN_ESCAPE = /%(?![\dA-Fa-f]{2})|%00/
const QUERY_OR_FRAGMENT = /[?#].*$/s
const DOUBLE_DOTS = /(?:\.|%2e){2}/i
const ESCAPED_DOT = /%2e/gi
const ESCAPED_SLASH = /%2f/gi

/** How nginx refuses a request; it then closes the connection. */
export interface HeadRefusal {
  readonly status: number
  /** What nginx had not read yet: its error page and the log know nothing of it. */
  readonly unread?: 'target' | 'headers'
}

/** Undefined for a request that nginx takes. Checked against a Kong 3.9.3. */
export function refusedHead(exchange: Exchange): HeadRefusal | undefined {
  const { headers, requestMethod } = exchange
  const status = refusedTarget(exchange)
  if (status !== undefined) return { status, unread: 'target' }
  if (!hasOneValidHost(exchange)) return { status: 400 }
  if (requestMethod === 'TRACE') return { status: 405 }
  // Any other coding would leave open where the body ends.
  const coding = headers.value('transfer-encoding')
  if (coding !== undefined && (typeof coding !== 'string' || coding.toLowerCase() !== 'chunked'))
    return { status: 501 }
  return hasLongLine(exchange) ? { status: 494, unread: 'headers' } : undefined
}

function refusedTarget({ requestUri, requestMethod, httpVersion, isHttp2 }: Exchange): number | undefined {
  // nginx knows no other version on a request line.
  if (httpVersion >= 2 && !isHttp2) return 505
  const lineBytes = requestMethod.length + requestUri.length + ' HTTP/1.1\r\n'.length + 1
  if (lineBytes > MAX_LINE_BYTES && !isHttp2) return 414
  // nginx decodes the path, and leaves the query alone.
  const path = requestUri.replace(QUERY_OR_FRAGMENT, '')
  return !path.startsWith('/') || BROKEN_ESCAPE.test(path) || climbsOut(path) ? 400 : undefined
}

/** Whether dots lead out of the root anywhere on the way. */
function climbsOut(path: string): boolean {
  if (!DOUBLE_DOTS.test(path)) return false
  let depth = 0
  for (const segment of path.replace(ESCAPED_DOT, '.').replace(ESCAPED_SLASH, '/').split('/')) {
    if (segment === '' || segment === '.') continue
    depth += segment === '..' ? -1 : 1
    if (depth < 0) return true
  }
  return false
}

/** HTTP/2 has no lines, only a length of the whole. */
function hasLongLine({ headers, headBytes, isHttp2 }: Exchange): boolean {
  if (isHttp2 || headBytes <= MAX_LINE_BYTES) return false
  let isTooLong = false
  headers.each((_, name, value) => {
    if (name.length + value.length + 4 > MAX_LINE_BYTES) isTooLong = true
  })
  return isTooLong
}

/** HTTP/1.0 knows no Host header. */
function hasOneValidHost({ headers, hostHeader, httpVersion }: Exchange): boolean {
  const host = headers.value('host')
  if (host === undefined) return httpVersion < 1.1
  return typeof host === 'string' && isValidHost(hostHeader)
}

/** Statuses for which Kong's error handler writes a missing body (`error_page` in Kong's settings). */
const ERROR_PAGES = new Set([400, 404, 405, 408, 411, 412, 413, 414, 417, 494, 500, 502, 503, 504])

/** Answers without a body after which nginx closes the connection. */
export const CLOSING_STATUSES: ReadonlySet<number> = new Set([400, 413, 414, 494, 500, 501])

/** nginx's own pages for the other ones. */
const TITLES: Readonly<Record<number, string>> = {
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  401: 'Authorization Required',
  402: 'Payment Required',
  403: 'Forbidden',
  406: 'Not Acceptable',
  409: 'Conflict',
  410: 'Gone',
  415: 'Unsupported Media Type',
  416: 'Requested Range Not Satisfiable',
  421: 'Misdirected Request',
  429: 'Too Many Requests',
  501: 'Not Implemented',
  505: 'HTTP Version Not Supported',
  507: 'Insufficient Storage',
}

export interface Page {
  readonly type: string
  readonly text: string
}

/** What replaces a missing body: Kong's error handler, a page of nginx, or nothing. */
export function substituteFor(status: number): 'error handler' | Page | undefined {
  if (ERROR_PAGES.has(status)) return 'error handler'
  const title = TITLES[status]
  return title === undefined ? undefined : nginxPage(status, `${status} ${title}`)
}

/** A page of nginx's own, with a line of text below the heading where the title says more. */
export function nginxPage(status: number, heading: string, line?: string): Page {
  const text = line === undefined ? '' : `<center>${line}</center>\r\n`
  const title = line === undefined ? heading : `${status} ${line}`
  return {
    type: status < 400 ? 'text/html' : 'text/html; charset=UTF-8',
    text: `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${heading}</h1></center>\r\n${text}</body>\r\n</html>\r\n`,
  }
}
