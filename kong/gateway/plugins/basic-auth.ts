import { createHash, timingSafeEqual } from 'node:crypto'
import type { BasicAuthCredential } from '../../entities/entities.ts'
import type { Exchange } from '../proxy/exchange.ts'
import { authenticate, authenticateOr } from './authentication.ts'
import { definePlugin } from './builtin.ts'

interface Config {
  readonly realm: string
  readonly anonymous: string | null
  readonly hide_credentials: boolean
}

export const basicAuth = definePlugin<Config>({
  name: 'basic-auth',
  priority: 1_100,
  start: () => ({
    configure(config) {
      const denial = {
        status: 401,
        message: 'Unauthorized',
        headers: { 'WWW-Authenticate': `Basic realm="${config.realm}"` },
      }
      return {
        access: exchange =>
          authenticateOr(exchange, config.anonymous, () => (check(exchange, config) ? undefined : denial)),
      }
    },
  }),
})

/** `proxy-authorization` is looked at first. */
function check(exchange: Exchange, config: Config): boolean {
  for (const header of ['proxy-authorization', 'authorization']) {
    const given = readHeader(exchange.headers.get(header))
    if (config.hide_credentials) exchange.headers.delete(header)
    const credential = given && exchange.lookup.find('basicauth_credentials', 'username', given.username)
    if (!credential) continue
    if (!isRight(credential, given.password)) return false
    const consumer = exchange.lookup.get('consumers', credential.consumer.id)
    authenticate(exchange, consumer, { ...credential }, credential.username)
    return true
  }
  return false
}

function readHeader(
  header: string | undefined,
): { readonly username: string; readonly password: string } | undefined {
  const encoded = /^\s*basic\s+(.+)$/i.exec(header ?? '')?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) }
}

/** Kong stores SHA-1 of the password followed by the consumer's id. */
function isRight(credential: BasicAuthCredential, password: string): boolean {
  const digest = createHash('sha1').update(`${password}${credential.consumer.id}`).digest()
  const stored = Buffer.from(credential.password, 'hex')
  return stored.length === digest.length && timingSafeEqual(stored, digest)
}
