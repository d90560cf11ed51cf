/** Kong's own error answers, in the type that the client prefers (kong/tools/http.lua and kong/pdk/response.lua of 3.9). */
const TYPES = {
  json: 'application/json; charset=utf-8',
  html: 'text/html; charset=utf-8',
  xml: 'application/xml; charset=utf-8',
  text: 'text/plain; charset=utf-8',
} as const

type Kind = keyof typeof TYPES

const KINDS: Readonly<Record<string, Kind>> = {
  'application/json': 'json',
  'application/xml': 'xml',
  'application/*': 'json',
  'text/html': 'html',
  'text/plain': 'text',
  'text/*': 'text',
  '*/*': 'json',
}

const TEMPLATES: Readonly<Record<Kind, (message: string, requestId: string) => string>> = {
  json: (message, id) => `{\n  "message":"${message}",\n  "request_id":"${id}"\n}`,
  html: (message, id) =>
    `<!doctype html>\n<html>\n  <head>\n    <meta charset="utf-8">\n    <title>Error</title>\n  </head>\n  <body>\n    <h1>Error</h1>\n    <p>${message}.</p>\n    <p>request_id: ${id}</p>\n  </body>\n</html>\n`,
  xml: (message, id) =>
    `<?xml version="1.0" encoding="UTF-8"?>\n<error>\n  <message>${message}</message>\n  <requestid>${id}</requestid>\n</error>\n`,
  text: (message, id) => `${message}\nrequest_id: ${id}\n`,
}

/** The message of an answer that nginx makes by itself. */
const STATUS_TEXTS: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Unauthorized',
  402: 'Payment required',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  406: 'Not acceptable',
  407: 'Proxy authentication required',
  408: 'Request timeout',
  409: 'Conflict',
  410: 'Gone',
  411: 'Length required',
  412: 'Precondition failed',
  413: 'Payload too large',
  414: 'URI too long',
  415: 'Unsupported media type',
  416: 'Range not satisfiable',
  417: 'Expectation failed',
  418: "I'm a teapot",
  421: 'Misdirected request',
  422: 'Unprocessable entity',
  423: 'Locked',
  424: 'Failed dependency',
  425: 'Too early',
  426: 'Upgrade required',
  428: 'Precondition required',
  429: 'Too many requests',
  431: 'Request header fields too large',
  451: 'Unavailable for legal reasons',
  494: 'Request header or cookie too large',
  500: 'An unexpected error occurred',
  501: 'Not implemented',
  502: 'An invalid response was received from the upstream server',
  503: 'The upstream server is currently unavailable',
  504: 'The upstream server is timing out',
  505: 'HTTP version not supported',
}

export const statusText = (status: number): string =>
  STATUS_TEXTS[status] ?? `The upstream server responded with ${status}`

export interface ErrorBody {
  readonly type: string
  readonly text: string
}

/** @param accept the Accept header; undefined is JSON, which is also what an unknown type gets */
export function errorBody(accept: string | undefined, message: string, requestId: string): ErrorBody {
  const kind = preferredKind(accept)
  return { type: TYPES[kind], text: TEMPLATES[kind](message, requestId) }
}

const MEDIA_RANGE =
  /^((?:[a-z0-9][a-z0-9-!#$&^_+.]+|\*)\/(?:[a-z0-9][a-z0-9-!#$&^_+.]+|\*))(?:\s*;\s*q=(1(?:\.0{0,3})?|0(?:\.\d{0,3})?)|\s*;\s*[a-z0-9][a-z0-9-!#$&^_+.]+(?:=[^;]*)?)*/i

function preferredKind(accept: string | undefined): Kind {
  let kind: Kind = 'json'
  let best = 0
  for (const range of accept?.split(',') ?? []) {
    const match = MEDIA_RANGE.exec(range.trim())
    const quality = Number(match?.[2] ?? 1)
    if (!match || quality <= best) continue
    best = quality
    kind = KINDS[match[1]?.toLowerCase() ?? ''] ?? 'json'
  }
  return kind
}
