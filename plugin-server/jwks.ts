/** Serves the public halves of the keys that sign upstream tokens, one server a machine: with workers it is the parent. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../foundation/clock.ts'
import { type HttpListener, openHttp } from '../foundation/http-listener.ts'
import type { Logger } from '../foundation/log.ts'
import type { Settings } from '../foundation/settings.ts'
import { JWKS_MAX_AGE_S, JWKS_PATH, keySetOf } from '../plugins/upstream-token/jwks.ts'
import { KeyRing } from '../plugins/upstream-token/key-ring.ts'

export interface JwksParts {
  readonly clock: Clock
  readonly log: Logger
  readonly takeOver: boolean
}

/** @throws SLUICE_PORT_IN_USE unless `takeOver`. */
export function openJwks(
  { jwksListen: address, tokenKeysDir: folder }: Pick<Settings, 'jwksListen' | 'tokenKeysDir'>,
  { clock, log, takeOver }: JwksParts,
): Promise<HttpListener> {
  const ring = folder === undefined ? undefined : new KeyRing({ folder, clock, log })
  return openHttp({
    address,
    setting: 'SLUICE_JWKS_LISTEN',
    takeOver,
    answer: (request, response) => answer(ring, request, response),
    onFault: reason => log.error({ reason }, 'public keys cannot be served'),
  })
}

function answer(ring: KeyRing | undefined, { method, url }: IncomingMessage, response: ServerResponse): void {
  if (method !== 'GET' && method !== 'HEAD')
    send(response, 405, { error: 'only GET' }, { ...NOT_KEPT, allow: 'GET, HEAD' })
  else if (url?.split('?')[0] !== JWKS_PATH) send(response, 404, { error: `there is ${JWKS_PATH}` })
  else if (ring === undefined) send(response, 503, { error: 'SLUICE_TOKEN_KEYS_DIR is not set' })
  else sendKeys(ring, response)
}

function sendKeys(ring: KeyRing, response: ServerResponse): void {
  try {
    send(response, 200, keySetOf(ring.all()), { 'cache-control': `public, max-age=${JWKS_MAX_AGE_S}` })
  } catch {
    // The log has the reason, with paths that are nobody's business here.
    send(response, 503, { error: 'the signing keys cannot be read' })
  }
}

/** What cannot be answered must not be kept: a service without keys refuses everybody. */
const NOT_KEPT = { 'cache-control': 'no-store' }

function send(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = NOT_KEPT,
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(`${JSON.stringify(body)}\n`)
}
