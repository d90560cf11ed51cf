import type { Exchange } from '../proxy/exchange.ts'
import { authenticate, authenticateAnonymous } from './authentication.ts'
import { definePlugin } from './builtin.ts'
import { decodeToken, type IsSigned, loadVerifier, type Token } from './token.ts'

interface Config {
  readonly uri_param_names: readonly string[]
  readonly cookie_names: readonly string[]
  readonly header_names: readonly string[]
  readonly key_claim_name: string
  readonly secret_is_base64: boolean
  readonly claims_to_verify: readonly string[] | null
  readonly anonymous: string | null
  readonly run_on_preflight: boolean
  readonly maximum_expiration: number
  readonly realm: string | null
}

/** Unlike other plugins' answers, jwt's have no request id. */
interface JwtDenial {
  readonly body: unknown
  readonly challenge?: string
}

export const jwt = definePlugin<Config>({
  name: 'jwt',
  priority: 1_450,
  start: ({ now }) => ({
    configure(config) {
      const verifier = loadVerifier()
      return {
        async access(exchange) {
          if (!config.run_on_preflight && exchange.method === 'OPTIONS') return
          if (config.anonymous !== null && exchange.credential) return
          const denial = check(exchange, config, await verifier, Math.floor(now() / 1_000))
          if (!denial) return
          if (config.anonymous !== null) authenticateAnonymous(exchange, config.anonymous)
          else
            exchange.respondJson(
              401,
              denial.body,
              denial.challenge === undefined ? {} : { 'WWW-Authenticate': denial.challenge },
            )
        },
      }
    },
  }),
})

function check(
  exchange: Exchange,
  config: Config,
  isSigned: IsSigned,
  nowSeconds: number,
): JwtDenial | undefined {
  const bearer = config.realm ? `Bearer realm="${config.realm}"` : 'Bearer'
  const deny = (message: string) => ({ body: { message }, challenge: `${bearer} error="invalid_token"` })
  const [text, another] = [...findTokens(exchange, config)]
  if (text === undefined) return { body: { message: 'Unauthorized' }, challenge: bearer }
  if (another !== undefined) return deny('Multiple tokens provided')
  const token = decodeToken(text)
  if ('fault' in token) return deny(`Bad token; ${token.fault}`)

  const claim = config.key_claim_name
  const key = token.claims[claim] ?? token.header[claim]
  if (key === undefined || key === null) return deny(`No mandatory '${claim}' in claims`)
  if (key === '') return deny(`Invalid '${claim}' in claims`)
  const credential = exchange.lookup.find('jwt_secrets', 'key', String(key))
  if (!credential) return deny(`No credentials found for given '${claim}'`)
  if (token.header.alg !== credential.algorithm) return deny('Invalid algorithm')
  const isSymmetric = credential.algorithm.startsWith('HS')
  const secret = isSymmetric ? credential.secret : credential.rsa_public_key
  if (!secret) return deny('Invalid key/secret')
  const encoding = isSymmetric && config.secret_is_base64 ? 'base64' : 'utf8'
  if (!isSigned(token, Buffer.from(secret, encoding))) return deny('Invalid signature')
  const faults = claimFaults(token, config, nowSeconds)
  if (faults) return { ...deny(''), body: faults }

  const consumer = exchange.lookup.get('consumers', credential.consumer.id)
  if (!consumer) return { body: { message: `Could not find consumer for '${claim}=${key}'` } }
  authenticate(exchange, consumer, { ...credential }, credential.key)
  exchange.shared.set('authenticated_jwt_token', text)
  return undefined
}

function findTokens(exchange: Exchange, config: Config): Set<string> {
  const tokens = new Set<string>()
  for (const name of config.uri_param_names) {
    const value = exchange.query[name]
    for (const one of Array.isArray(value) ? value : [value])
      if (typeof one === 'string' && one !== '') tokens.add(one)
  }
  const cookies = exchange.headers.joined('cookie')
  for (const name of config.cookie_names) {
    const value = cookies && cookieOf(cookies, name)
    if (value) tokens.add(value)
  }
  for (const name of config.header_names) {
    const found = /\s*[Bb]earer\s+(.+)/.exec(exchange.headers.get(name) ?? '')?.[1]
    if (found) tokens.add(found)
  }
  return tokens
}

function cookieOf(cookies: string, name: string): string | undefined {
  for (const pair of cookies.split(';')) {
    const equals = pair.indexOf('=')
    if (equals >= 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim()
  }
  return undefined
}

function claimFaults(
  { claims }: Token,
  config: Config,
  nowSeconds: number,
): Record<string, string> | undefined {
  const faults: Record<string, string> = {}
  for (const name of config.claims_to_verify ?? []) {
    const value = claims[name]
    if (typeof value !== 'number') faults[name] = 'must be a number'
    else if (name === 'exp' && value <= nowSeconds) faults.exp = 'token expired'
    else if (name === 'nbf' && value > nowSeconds) faults.nbf = 'token not valid yet'
  }
  if (Object.keys(faults).length > 0) return faults
  const { maximum_expiration: limit } = config
  if (limit > 0 && !(Number(claims.exp) - nowSeconds <= limit))
    return { exp: 'exceeds maximum allowed expiration' }
  return undefined
}
