import { headerName } from '../../entities/typedefs.ts'
import type { Exchange } from '../proxy/exchange.ts'
import { authenticate, authenticateOr, type Denial } from './authentication.ts'
import { type BodyFields, readBodyFields, writeBodyFields } from './body-fields.ts'
import { definePlugin } from './builtin.ts'

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

export const keyAuth = definePlugin<Config>({
  name: 'key-auth',
  priority: 1_250,
  rules: { 'config.key_names.elements': headerName },
  start: () => ({
    configure(config) {
      const challenge = config.realm ? `Key realm="${config.realm}"` : 'Key'
      const decide = (exchange: Exchange, fields: BodyFields | undefined) =>
        authenticateOr(exchange, config.anonymous, () => check(exchange, config, challenge, fields))
      return {
        access(exchange) {
          if (!config.run_on_preflight && exchange.method === 'OPTIONS') return undefined
          // Only a key in the body needs waiting for it.
          return config.key_in_body
            ? readBodyFields(exchange).then(fields => decide(exchange, fields))
            : decide(exchange, undefined)
        },
      }
    },
  }),
})

function check(
  exchange: Exchange,
  config: Config,
  challenge: string,
  fields: BodyFields | undefined,
): Denial | undefined {
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
  if (!fields) return
  const { [name]: _, ...values } = fields.values
  writeBodyFields(exchange, { ...fields, values })
}
