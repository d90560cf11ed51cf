import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { isObject } from '../../schema/spec.ts'
import { EntityError } from '../state/errors.ts'
import type { TargetHealth } from '../state/health.ts'
import type { State } from '../state/state.ts'
import type { EntityStore } from '../state/store.ts'
import { type AdminRequest, type Answer, htmlAnswer, message, notAllowed, notFoundAnswer } from './answer.ts'
import { type DeclarativeConfig, withoutDeclarativeConfig } from './config.ts'
import { nest } from './form.ts'
import { createInformation, type NodeInformation } from './information.ts'
import { createResources } from './resources.ts'
import { firstOf, type Methods, type Resolve } from './route.ts'
import { createSchemaResolve } from './schemas.ts'
import { createTagResolve } from './tags.ts'
import { resolveUnavailable } from './unavailable.ts'

export interface AdminOptions {
  readonly state: State
  readonly store: EntityStore
  readonly node: NodeInformation
  readonly health: TargetHealth
  /** Serves `/config`, for a gateway without a database. */
  readonly config?: DeclarativeConfig
  /** Told of failures that are nobody's fault but ours; the client gets a plain 500. */
  readonly onError: (error: unknown) => void
  /** Body of a request at most; Kong's own limit is 10 MB. */
  readonly maxBodyBytes?: number
}

const BODY_METHODS = new Set(['POST', 'PUT', 'PATCH'])

/** Serves the Admin API: mount the result in an HTTP server that listens on the loopback interface. */
export function createAdminServer(options: AdminOptions): RequestListener {
  const { state, store, node, health } = options
  const resolve = firstOf([
    createInformation(store, state, node, options.config),
    resolveUnavailable,
    createTagResolve(state),
    createSchemaResolve(store),
    options.config?.resolve ?? withoutDeclarativeConfig,
    createResources({ store, health, nodeId: node.nodeId }),
  ])
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

async function serve(request: IncomingMessage, text: string, resolve: Resolve): Promise<Answer> {
  const [pathname = '/', search] = splitTarget(request.url ?? '/')
  const path = decodePath(pathname)
  if (!path) return { ...htmlAnswer(400, 'Bad Request'), beforeKong: true }
  // nginx lets no such request through to Kong.
  if (request.method === 'TRACE') return { ...htmlAnswer(405, 'Not Allowed'), beforeKong: true }
  const methods = resolve(path)
  if (!methods) return notFoundAnswer
  const method = request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET')
  if (method === 'OPTIONS') return allowed(methods)
  const parsed = parseBody(method, request.headers['content-type'], text, path[0] === 'config')
  if ('status' in parsed) return parsed
  const handler = methods[method as keyof Methods]
  if (!handler) return notAllowed
  return handler({ method, path, query: Object.fromEntries(new URLSearchParams(search)), text, ...parsed })
}

function splitTarget(target: string): readonly [path: string, search: string] {
  const mark = target.indexOf('?')
  return mark < 0 ? [target, ''] : [target.slice(0, mark), target.slice(mark + 1)]
}

/**
 * The segments of a path as it stands: neither empty nor dot segments are resolved. A slash at the end means nothing.
 *
 * @returns nothing for a path with a broken escape, or one that leads out of the root
 */
function decodePath(pathname: string): readonly string[] | undefined {
  const segments = pathname.replace(/^\//, '').replace(/\/$/, '').split('/')
  if (segments.length === 1 && segments[0] === '' && pathname.length <= 1) return []
  try {
    const path = segments.map(decodeURIComponent)
    return depth(path) < 0 ? undefined : path
  } catch {
    return undefined
  }
}

/** How far a path leads below the root, or how far above it at its highest. */
function depth(path: readonly string[]): number {
  let at = 0
  for (const segment of path) {
    at += segment === '..' ? -1 : segment === '.' || segment === '' ? 0 : 1
    if (at < 0) return at
  }
  return at
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
  // Kong knows JSON in small letters only.
  if (contentType?.startsWith('application/json')) {
    const body = parseJson(text)
    // Lua knows one empty table. At any other body that is no object Kong itself stumbles.
    if (Array.isArray(body) && body.length === 0) return none
    return isObject(body) ? { body, isForm: false } : message(400, 'Cannot parse JSON body')
  }
  const type = contentType?.toLowerCase() ?? ''
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
