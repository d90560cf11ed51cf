import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { PLUGIN_BODY_BYTES } from '../proxy/body.ts'
import type { Exchange } from '../proxy/exchange.ts'
import { authenticate, authenticateOr, type Denial } from './authentication.ts'
import { definePlugin } from './builtin.ts'

interface Config {
  readonly hide_credentials: boolean
  /** Seconds. */
  readonly clock_skew: number
  readonly anonymous: string | null
  readonly validate_request_body: boolean
  readonly enforce_headers: readonly string[]
  readonly algorithms: readonly string[]
  readonly realm: string | null
}

/** What a client says of its signature (draft-cavage-http-signatures). */
interface Signature {
  readonly username: string
  readonly algorithm: string
  readonly headers: readonly string[]
  readonly signature: Buffer
}

const NOT_VALID = 'HMAC signature cannot be verified'
const NOT_SAME = 'HMAC signature does not match'
const NO_DATE = `${NOT_VALID}, a valid date or x-date header is required for HMAC Authentication`

export const hmacAuth = definePlugin<Config>({
  name: 'hmac-auth',
  priority: 1_030,
  start: ({ now }) => ({
    configure(config) {
      const challenge = config.realm ? `hmac realm="${config.realm}"` : 'hmac'
      const decide = (exchange: Exchange, body: Buffer | undefined) =>
        authenticateOr(exchange, config.anonymous, (): Denial | undefined => {
          const message = check(exchange, config, now(), body)
          return message === undefined
            ? undefined
            : { status: 401, message, headers: { 'WWW-Authenticate': challenge } }
        })
      return {
        // Only a body that is signed needs waiting for.
        access: exchange =>
          config.validate_request_body
            ? exchange.body.whole(PLUGIN_BODY_BYTES).then(body => decide(exchange, body))
            : decide(exchange, undefined),
      }
    },
  }),
})

/** @returns what is wrong with the request; undefined for one that may pass */
function check(
  exchange: Exchange,
  config: Config,
  nowMs: number,
  body: Buffer | undefined,
): string | undefined {
  const { headers, lookup } = exchange
  if (!headers.has('authorization') && !headers.has('proxy-authorization')) return 'Unauthorized'
  const isFresh = ['x-date', 'date'].some(name => {
    const sentMs = Date.parse(headers.get(name) ?? '')
    return Math.abs(Math.floor(nowMs / 1_000) - sentMs / 1_000) <= config.clock_skew
  })
  if (!isFresh) return NO_DATE
  const signature = findSignature(exchange, config)
  if (!signature || !isAccepted(signature, config)) return NOT_VALID
  const credential = lookup.find('hmacauth_credentials', 'username', signature.username)
  if (!credential) return NOT_VALID
  const hash = signature.algorithm.slice('hmac-'.length)
  const expected = createHmac(hash, credential.secret ?? '')
    .update(signedText(exchange, signature.headers), 'latin1')
    .digest()
  if (!isSame(expected, signature.signature)) return NOT_SAME
  if (config.validate_request_body && !hasBodyOfDigest(exchange, body)) return NOT_SAME
  const consumer = lookup.get('consumers', credential.consumer.id)
  authenticate(exchange, consumer, { ...credential }, credential.username)
  return undefined
}

const isSame = (a: Buffer, b: Buffer) => a.length === b.length && timingSafeEqual(a, b)

/** `Proxy-Authorization` is looked at first; whichever names a signature may be hidden from the upstream. */
function findSignature({ headers }: Exchange, { hide_credentials }: Config): Signature | undefined {
  const ofProxy = readSignature(headers.get('proxy-authorization'))
  const found = ofProxy ?? readSignature(headers.get('authorization'))
  if (hide_credentials) headers.delete(ofProxy ? 'proxy-authorization' : 'authorization')
  return found
}

const SIGNATURE = /\s*[Hh]mac\s*username="(.+)",\s*algorithm="(.+)",\s*headers="(.+)",\s*signature="(.+)"/

function readSignature(header: string | undefined): Signature | undefined {
  const [, username, algorithm, headers, signature] = SIGNATURE.exec(header ?? '') ?? []
  if (!username || !algorithm || !headers || !signature) return undefined
  return { username, algorithm, headers: headers.split(' '), signature: Buffer.from(signature, 'base64') }
}

const isAccepted = (signature: Signature, { enforce_headers, algorithms }: Config): boolean =>
  enforce_headers.every(name => signature.headers.includes(name)) && algorithms.includes(signature.algorithm)

/** The lines that the client has signed. */
function signedText(
  { headers, method, httpVersion, requestUri }: Exchange,
  names: readonly string[],
): string {
  const lines = names.map(name => {
    const value = headers.get(name)
    if (value !== undefined) return `${name}: ${value}`
    if (name === '@request-target') return `${name}: ${method.toLowerCase()} ${requestUri}`
    if (name === 'request-line') return `${method} ${requestUri} HTTP/${httpVersion.toFixed(1)}`
    return `${name}:`
  })
  return lines.join('\n')
}

/** @param body undefined when it is too long for Kong to check */
function hasBodyOfDigest({ headers }: Exchange, body: Buffer | undefined): boolean {
  if (!body) return false
  const digest = headers.get('digest')
  if (digest === undefined) return body.length === 0
  return digest === `SHA-256=${createHash('sha256').update(body).digest('base64')}`
}
