import type { Exchange } from '../proxy/exchange.ts'
import type { PluginHandler } from '../proxy/plugin-chain.ts'
import { authenticate, authenticateAnonymous, type Denial } from './authentication.ts'
import { type BodyFields, readBodyFields, writeBodyFields } from './body-fields.ts'

interface Config {
  readonly key_names: readonly string[]
  readonly key_in_header: boolean
  readonly key_in_query: boolean
  readonly key_in_body: boolean
  readonly hide_credentials: boolean
  readonly anonymous: string | null
  readonly run_on_preflight: boolean
  readonly realm: string | null
}

export const keyAuthHandler: PluginHandler = {
  priority: 1250,
  access(exchange, { entity }) {
    const config = entity.config as unknown as Config
    if (!config.run_on_preflight && exchange.method === 'OPTIONS') return undefined
    if (config.anonymous !== null && exchange.credential) return undefined
    // Only a key in the body needs waiting for it.
    return config.key_in_body
      ? readBodyFields(exchange).then(fields => decide(exchange, config, fields))
      : decide(exchange, config, undefined)
  },
}

function decide(exchange: Exchange, config: Config, fields: BodyFields | undefined): void {
  const denial = check(exchange, config, fields)
  if (!denial) return
  if (config.anonymous !== null) authenticateAnonymous(exchange, config.anonymous)
  else exchange.respondError(denial.status, denial.message, denial.headers)
}

function check(exchange: Exchange, config: Config, fields: BodyFields | undefined): Denial | undefined {
  const challenge = config.realm ? `Key realm="${config.realm}"` : 'Key'
  const deny = (message: string) => ({ status: 401, message, headers: { 'WWW-Authenticate': challenge } })
  const key = findKey(exchange, config, fields)
  if (key === DUPLICATE) return deny('Duplicate API key found')
  if (!key) return deny('No API key found in request')
  const credential = exchange.lookup.find('keyauth_credentials', 'key', key)
  if (!credential) return deny('Unauthorized')
  const consumer = exchange.lookup.get('consumers', credential.consumer.id)
  authenticate(exchange, consumer, { ...credential }, credential.id)
  return undefined
}

const DUPLICATE = Symbol('several keys')

function findKey(
  exchange: Exchange,
  config: Config,
  fields: BodyFields | undefined,
): string | typeof DUPLICATE | undefined {
  for (const name of config.key_names) {
    const value =
      (config.key_in_header ? headerOf(exchange, name) : undefined) ??
      (config.key_in_query ? exchange.query[name] : undefined) ??
      fields?.values[name]
    if (typeof value === 'string') {
      if (config.hide_credentials) hide(exchange, name, fields)
      return value
    }
    if (typeof value === 'object' && value !== null) return DUPLICATE
  }
  return undefined
}

/** Underscores of a name also stand for dashes. */
const headerOf = ({ headers }: Exchange, name: string) =>
  headers.value(name) ?? headers.value(name.replaceAll('_', '-'))

function hide(exchange: Exchange, name: string, fields: BodyFields | undefined): void {
  exchange.clearArgument(name)
  exchange.headers.delete(name)
  if (fields) writeBodyFields(exchange, fields, name)
}
