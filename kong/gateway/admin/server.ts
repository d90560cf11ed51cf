import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { isObject } from '../../schema/spec.ts'
import { EntityError } from '../state/errors.ts'
import type { State } from '../state/state.ts'
import type { EntityStore } from '../state/store.ts'
import { type AdminRequest, type Answer, htmlAnswer, message, notAllowed, notFoundAnswer } from './answer.ts'
import { type DeclarativeConfig, withoutDeclarativeConfig } from './config.ts'
import { nest } from './form.ts'
import { createInformation, type NodeInformation } from './information.ts'
import { createResources, type Methods, type Resolve } from './resources.ts'

export interface AdminOptions {
  readonly state: State
  readonly store: EntityStore
  readonly node: NodeInformation
  /** Serves `/config`, for a gateway without a database. */
  readonly config?: DeclarativeConfig
  /** Told of failures that are nobody's fault but ours; the client gets a plain 500. */
  readonly onError: (error: unknown) => void
  /** Body of a request at most; Kong's own limit is 10 MB. */
  readonly maxBodyBytes?: number
}

/** What follows the path is not read as a part of it. */
const BASE_URL = 'http://admin'
const BODY_METHODS = new Set(['POST', 'PUT', 'PATCH'])

/** Serves the Admin API: mount the result in an HTTP server that listens on the loopback interface. */
export function createAdminServer(options: AdminOptions): RequestListener {
  const { state, store, node } = options
  const resolvers: readonly Resolve[] = [
    createInformation(store, state, node, options.config),
    options.config?.resolve ?? withoutDeclarativeConfig,
    createResources(store, node.nodeId),
  ]
  const resolve: Resolve = path => {
    for (const resolver of resolvers) {
      const methods = resolver(path)
      if (methods) return methods
    }
    return undefined
  }
  return (request, response) => {
    const startMs = performance.now()
    readText(request, options.maxBodyBytes ?? 10 * 2 ** 20)
      .then(text => serve(request, text, resolve))
      .catch((error: unknown) => failed(error, options.onError))
      .then(answer => send(request, response, answer, { version: node.version, startMs }))
      .catch(options.onError)
  }
}

class TooLarge extends Error {}

async function readText(request: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new TooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function serve(request: IncomingMessage, text: string, resolve: Resolve): Answer {
  const url = new URL(request.url ?? '/', BASE_URL)
  const path = decodePath(url.pathname)
  if (!path) return { ...htmlAnswer(400, 'Bad Request'), beforeKong: true }
  const methods = resolve(path)
  if (!methods) return notFoundAnswer
  const method = request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET')
  if (method === 'OPTIONS') return allowed(methods)
  const parsed = parseBody(method, request.headers['content-type'], text, path[0] === 'config')
  if ('status' in parsed) return parsed
  const handler = methods[method as keyof Methods]
  if (!handler) return notAllowed
  return handler({ method, path, query: Object.fromEntries(url.searchParams), text, ...parsed })
}

/** Nothing for a path with a broken escape. A slash at the end means nothing. */
function decodePath(pathname: string): readonly string[] | undefined {
  try {
    return pathname
      .replace(/^\//, '')
      .replace(/\/$/, '')
      .split('/')
      .filter((segment, _i, all) => all.length > 1 || segment !== '')
      .map(decodeURIComponent)
  } catch {
    return undefined
  }
}

type ParsedBody = Pick<AdminRequest, 'body' | 'isForm'>

function parseBody(
  method: string,
  contentType: string | undefined,
  text: string,
  acceptsYaml: boolean,
): ParsedBody | Answer {
  const none: ParsedBody = { body: {}, isForm: false }
  if (!BODY_METHODS.has(method)) return none
  const type = contentType?.toLowerCase() ?? ''
  if (type.startsWith('application/json')) {
    const body = parseJson(text)
    // Lua's tables make no difference between a list and a record.
    if (Array.isArray(body))
      return { body: Object.fromEntries(body.map((v, i) => [i + 1, v])), isForm: false }
    return isObject(body) ? { body, isForm: false } : message(400, 'Cannot parse JSON body')
  }
  if (type.startsWith('application/x-www-form-urlencoded'))
    return { body: nest(new URLSearchParams(text)), isForm: true }
  if (type.startsWith('multipart/form-data')) return { body: nest(multipartPairs(type, text)), isForm: true }
  if (acceptsYaml && /^(application|text)\/yaml/.test(type)) return none
  if (contentType === undefined && text === '') return none
  return htmlAnswer(415, 'Unsupported Media Type')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The named parts of a `multipart/form-data` body (`curl -F name=value`). */
function* multipartPairs(contentType: string, text: string): Generator<readonly [string, string]> {
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)?.[1]
  if (boundary === undefined) return
  // The header was read in lower case; boundaries are compared the same way.
  const parts = text.split(new RegExp(`(?:\\r\\n)?--${escapeRegex(boundary)}(?:--)?(?:\\r\\n)?`, 'i'))
  for (const part of parts) {
    const end = part.indexOf('\r\n\r\n')
    const name = /[;\s]name="([^"]*)"/i.exec(part.slice(0, Math.max(0, end)))?.[1]
    if (end >= 0 && name !== undefined) yield [name, part.slice(end + 4)]
  }
}

const escapeRegex = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')

function allowed(methods: Methods): Answer {
  const names = [...Object.keys(methods), 'OPTIONS', ...(methods.GET ? ['HEAD'] : [])].sort().join(', ')
  return {
    status: 204,
    headers: {
      Allow: names,
      'Access-Control-Allow-Methods': names,
      'Access-Control-Allow-Headers': 'Content-Type',
    },
  }
}

function failed(error: unknown, onError: (error: unknown) => void): Answer {
  if (error instanceof EntityError) return { status: error.status, body: error.refusal }
  if (error instanceof TooLarge) return message(413, 'Payload too large')
  onError(error)
  return message(500, 'An unexpected error occurred')
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
  { version, startMs }: { readonly version: string; readonly startMs: number },
): void {
  const text = answer.html ?? (answer.body === undefined ? '' : JSON.stringify(answer.body))
  const type = answer.html ? 'text/html; charset=UTF-8' : 'application/json; charset=utf-8'
  response.writeHead(answer.status, {
    ...(!answer.beforeKong && {
      'Access-Control-Allow-Origin': request.headers.origin ?? '*',
      'Access-Control-Allow-Credentials': 'true',
      'X-Kong-Admin-Latency': String(Math.round(performance.now() - startMs)),
    }),
    Server: `kong/${version}`,
    ...(text !== '' && {
      'Content-Type': type,
      'Content-Length': String(Buffer.byteLength(text)),
    }),
    ...answer.headers,
  })
  response.end(request.method === 'HEAD' ? undefined : text)
}
