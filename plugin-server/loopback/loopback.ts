import { randomBytes } from 'node:crypto'
import { BoundedMap } from '../../foundation/bounded-map.ts'
import type { Clock } from '../../foundation/clock.ts'
import { SluiceError } from '../../foundation/errors.ts'
import type { HeaderMap } from '../../protocol/pdk/entities.ts'
import type { LoopbackAnswer, LoopbackOrigin, LoopbackRequest } from '../../sdk/loopback.ts'
import type { Store, StoreScript } from '../../sdk/store.ts'
import type { Fetcher } from '../runtime/fetcher.ts'
import {
  credentialsDigest,
  readStamp,
  STAMP_HEADER,
  STAMP_LIVES_MS,
  type StampedRequest,
  writeStamp,
} from './stamp.ts'

/** A part may have parts, and those again; more is a circle. */
const MAX_DEPTH = 3
const DEFAULT_TIMEOUT_MS = 1000
/** Stamps of this process that are remembered, where no Redis remembers those of all. */
const REMEMBERED_STAMPS = 10_000

/** Of the client's request: they describe its body, its connection, or a copy that only the client has, or are ours alone. */
const NOT_PASSED_ON =
  /^(connection|keep-alive|te|trailer|upgrade|transfer-encoding|expect|content-.*|if-.*|range|accept-encoding|via|x-real-ip|x-forwarded-.*|x-kong-request-id|sluice-.*)$/

export interface LoopbackParts {
  /** Where Kong's proxy is. */
  readonly proxyUrl: () => string
  readonly secret: string
  readonly store: Pick<Store, 'kind' | 'run'>
  readonly clock: Clock
  readonly call: Fetcher['call']
}

/** The request that causes an internal one. */
export interface OuterRequest {
  readonly headers: HeaderMap
  readonly clientIp: string
  readonly origin: LoopbackOrigin | undefined
}

/** Makes internal requests, and recognises them. */
export class Loopback {
  readonly #parts: LoopbackParts
  readonly #own = new BoundedMap<'made' | 'used'>(REMEMBERED_STAMPS)

  constructor(parts: LoopbackParts) {
    this.#parts = parts
  }

  /** @throws SluiceError SLUICE_LOOPBACK_REFUSED for a target that is no path, and beyond three internal requests in a row; SLUICE_FETCH_* */
  send(request: LoopbackRequest, outer: OuterRequest): Promise<LoopbackAnswer> {
    const { target, method = 'GET', purpose, body, timeoutMs = DEFAULT_TIMEOUT_MS } = request
    if (!/^\/(?!\/)[^\s\\]*$/.test(target))
      throw new SluiceError('SLUICE_LOOPBACK_REFUSED', 'kong.loopback: target must be a path with its query')
    const depth = (outer.origin?.depth ?? 0) + 1
    if (depth > MAX_DEPTH)
      throw new SluiceError(
        'SLUICE_LOOPBACK_REFUSED',
        `kong.loopback: more than ${MAX_DEPTH} internal requests in a row`,
      )
    const { proxyUrl, secret, clock, call } = this.#parts
    const clientIp = outer.origin?.clientIp ?? outer.clientIp
    const headers = { ...passedOn(outer.headers), 'x-forwarded-for': clientIp, ...request.headers }
    const nonce = randomBytes(16).toString('base64url')
    const stamp = { purpose, clientIp, depth, nonce, expiresAtMs: clock.now() + STAMP_LIVES_MS }
    const stamped = writeStamp(secret, stamp, { method, target, credentials: credentialsDigest(headers) })
    this.#own.set(nonce, 'made')
    const url = `${proxyUrl().replace(/\/$/, '')}${target}`
    return call(url, { method, headers: { ...onWire(headers), [STAMP_HEADER]: stamped }, body, timeoutMs })
  }

  /** @returns where the request comes from; undefined for a stamp that is not valid, or was used before. */
  async accept(header: string, request: Omit<StampedRequest, 'credentials'>, headers: HeaderMap) {
    const { secret, clock } = this.#parts
    const credentials = credentialsDigest(headers)
    const stamp = readStamp(secret, header, { ...request, credentials }, clock.now())
    if (!stamp || !(await this.#useOnce(stamp.nonce))) return undefined
    const { purpose, clientIp, depth } = stamp
    return { purpose, clientIp, depth }
  }

  async #useOnce(nonce: string): Promise<boolean> {
    const { store } = this.#parts
    const isOwn = this.#own.get(nonce) === 'made'
    if (isOwn) this.#own.set(nonce, 'used')
    // Without Redis nobody knows whether another process has accepted it.
    if (store.kind !== 'redis') return isOwn
    try {
      return await store.run(USE_ONCE, `{sluice:loopback:${nonce}}`, [])
    } catch {
      return isOwn
    }
  }
}

/** Kong hands out fields as UTF-8, while Node.js writes them as Latin-1, and refuses what that does not have. */
const onWire = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Buffer.from(value).toString('latin1')]),
  )

const USE_ONCE: StoreScript<boolean> = {
  name: 'loopback-use-once',
  lua: `if redis.call('HSETNX', KEYS[1], 'used', '1') == 0 then return {0} end
redis.call('PEXPIRE', KEYS[1], ${STAMP_LIVES_MS * 2})
return {1}`,
  apply(hash) {
    const isFirst = !hash.has('used')
    hash.set('used', '1')
    return { result: isFirst, expireInMs: STAMP_LIVES_MS * 2 }
  },
  decode: reply => Number((reply as readonly unknown[])[0]) === 1,
}

function passedOn(headers: HeaderMap): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => !NOT_PASSED_ON.test(name))
      .map(([name, value]) => [
        name,
        typeof value === 'string' ? value : value.join(name === 'cookie' ? '; ' : ', '),
      ]),
  )
}
