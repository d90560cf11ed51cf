/** What nginx decides by itself, before or after Kong: requests that it refuses, and answers without a body. */
import type { Exchange } from './exchange.ts'
import { isValidHost } from './log-entry.ts'

/** One of `large_client_header_buffers`: a line of the head must fit. */
const MAX_LINE_BYTES = 8_192
const BROKEN_ESCAPE = /%(?![\dA-Fa-f]{2})|%00/

/**
 * The status with which nginx refuses a request, after which it closes the connection; undefined when it does not.
 * Checked against a Kong 3.9.3.
 */
export function refusedStatus(exchange: Exchange): number | undefined {
  const { headers, requestUri, requestMethod, httpVersion } = exchange
  // nginx knows no other version on a request line.
  if (httpVersion >= 2 && !exchange.isHttp2) return 505
  const lineBytes = requestMethod.length + requestUri.length + ' HTTP/1.1\r\n'.length + 1
  if (lineBytes > MAX_LINE_BYTES) return 414
  // nginx decodes the path, and leaves the query alone.
  if (!requestUri.startsWith('/') || BROKEN_ESCAPE.test(requestUri.split('?', 1)[0]!)) return 400
  if (!hasOneValidHost(exchange)) return 400
  if (requestMethod === 'TRACE') return 405
  // Any other coding would leave open where the body ends.
  const coding = headers.value('transfer-encoding')
  if (coding !== undefined && (typeof coding !== 'string' || coding.toLowerCase() !== 'chunked')) return 501
  let isTooLong = false
  if (exchange.headBytes > MAX_LINE_BYTES)
    headers.each((_, name, value) => {
      if (name.length + value.length + 4 > MAX_LINE_BYTES) isTooLong = true
    })
  return isTooLong ? 494 : undefined
}

/** HTTP/1.0 knows no Host header. */
function hasOneValidHost({ headers, hostHeader, httpVersion }: Exchange): boolean {
  const host = headers.value('host')
  if (host === undefined) return httpVersion < 1.1
  return typeof host === 'string' && isValidHost(hostHeader)
}

/** Statuses that Kong's error handler words, when they come without a body (`error_page` in Kong's settings). */
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

/** What stands in for a body that an answer does not have: Kong's error handler, a page of nginx, or nothing. */
export function substituteFor(status: number): 'error handler' | Page | undefined {
  if (ERROR_PAGES.has(status)) return 'error handler'
  const title = TITLES[status]
  if (title === undefined) return undefined
  const heading = `${status} ${title}`
  return {
    type: status < 400 ? 'text/html' : 'text/html; charset=UTF-8',
    text: `<html>\r\n<head><title>${heading}</title></head>\r\n<body>\r\n<center><h1>${heading}</h1></center>\r\n</body>\r\n</html>\r\n`,
  }
}
