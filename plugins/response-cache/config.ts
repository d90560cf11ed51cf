import { SluiceError, type Static, Type } from '../../sdk/sdk.ts'
import { createKeyRules, type KeyRules } from './key.ts'
import type { CachePolicy } from './policy.ts'

/** No answer is kept longer than a week: generations and purges are remembered for a day more. */
const WEEK_S = 604_800

const secondsUpTo = (description: string, standard: number, minimum = 0) =>
  Type.Integer({ minimum, maximum: WEEK_S, default: standard, description })

const names = (description: string, standard: readonly string[] = []) =>
  Type.Array(Type.String({ minLength: 1 }), {
    default: [...standard],
    description,
  })

/** What an operator may set; Kong's schema, the check and the reference are made from it. */
export const configSchema = Type.Object({
  shared: Type.Boolean({
    default: false,
    description:
      'one answer for all consumers and credentials; then only what is marked public or s-maxage is stored',
  }),
  consumer: Type.Union([Type.Literal('ask'), Type.Literal('fields')], {
    default: 'ask',
    description:
      "how the consumer gets into the key: `ask` Kong, or by the `fields` X-Consumer-… alone, one question fewer a request: only where no plugin but Kong's own authenticates, all of which set them",
  }),
  scheme: Type.Union([Type.Literal('ask'), Type.Literal('http'), Type.Literal('https')], {
    default: 'ask',
    description:
      'scheme of the clients: `ask` Kong, or the only one that they come by, one question fewer a request',
  }),
  key_names: names('fields and query arguments that carry an API key, as in key-auth', ['apikey']),
  vary_headers: names('request fields that always select the answer, besides those that Vary names'),
  keep_headers: names('response fields that are stored besides those that describe the representation'),
  default_ttl: secondsUpTo('seconds, for answers that name no lifetime; 0: they are not stored', 0),
  max_ttl: secondsUpTo('seconds; longer lifetimes and stale windows are cut', 86_400, 1),
  stale_while_revalidate: secondsUpTo(
    'seconds in which a stale answer is served while it is fetched anew, for answers that do not say',
    0,
  ),
  stale_if_error: secondsUpTo(
    'seconds in which a stale answer is served when the service fails, for answers that do not say',
    0,
  ),
  max_body_bytes: Type.Integer({
    minimum: 1,
    maximum: 16_777_216,
    default: 1_048_576,
    description: 'larger bodies are not stored',
  }),
  fill_timeout_ms: Type.Integer({
    minimum: 10,
    maximum: 60_000,
    default: 5000,
    description: 'how long a fetch through the proxy may take, and others wait for it',
  }),
  follow_client_ms: Type.Integer({
    minimum: 1,
    maximum: 60_000,
    default: 500,
    description:
      "how long others wait for a client's own request, since nobody tells when it fails; then one of them fetches through the proxy",
  }),
  uncacheable_seconds: Type.Integer({
    minimum: 0,
    maximum: 3600,
    default: 10,
    description:
      'how long a request whose answer could not be stored is remembered, so that nobody waits for it',
  }),
  client_cache_control: Type.Boolean({
    default: true,
    description: 'whether a client may ask for a fresh answer: no-cache, max-age, min-fresh, only-if-cached',
  }),
  invalidate: Type.Boolean({
    default: true,
    description: 'whether POST, PUT, PATCH and DELETE invalidate what is stored for their path',
  }),
  stream: Type.Boolean({
    default: true,
    description:
      "switch Kong's buffering off for requests that the cache does not need to see; false where another plugin with a response phase applies",
  }),
  on_error: Type.Union([Type.Literal('open'), Type.Literal('closed')], {
    default: 'open',
    description: 'when the plugin itself fails: open lets the request pass, closed answers 503',
  }),
})

export type Config = Static<typeof configSchema>

/** A checked configuration. */
export interface Settings {
  readonly policy: CachePolicy
  readonly key: KeyRules
  /** Whether Kong is asked for the consumer. */
  readonly asksConsumer: boolean
  /** Of all clients; undefined where Kong is asked. */
  readonly scheme: 'http' | 'https' | undefined
  readonly keepHeaders: ReadonlySet<string>
  readonly maxBodyBytes: number
  readonly fillTimeoutMs: number
  readonly followClientMs: number
  readonly uncacheableMs: number
  readonly clientDirectives: boolean
  readonly invalidate: boolean
  readonly stream: boolean
}

/** Never stored, whatever an operator asks for. */
const NEVER_KEPT =
  /^(set-cookie2?|connection|keep-alive|te|trailer|upgrade|transfer-encoding|content-length|age|proxy-.*|www-authenticate|authentication-info|ratelimit.*|x-ratelimit.*|x-kong-.*|access-control-.*)$/

/**
 * Checks what Kong's schema language can't say, and converts the rest.
 *
 * @param canLoopback whether calls through Kong's proxy are set up.
 * @throws SluiceError SLUICE_PLUGIN_CONFIG that names the field.
 */
export function readConfig(config: Config, canLoopback: boolean): Settings {
  const lower = (list: readonly string[]) => list.map(name => name.toLowerCase())
  const keepHeaders = lower(config.keep_headers)
  const refused = keepHeaders.find(name => NEVER_KEPT.test(name))
  if (refused !== undefined)
    refuse('keep_headers', `${refused} belongs to one request or connection, and is never stored`)
  for (const field of ['stale_while_revalidate', 'stale_if_error'] as const)
    if (config[field] > 0 && !canLoopback)
      refuse(
        field,
        "stale answers are fetched anew through Kong's proxy: set SLUICE_PROXY_URL and SLUICE_LOOPBACK_SECRET",
      )
  return {
    policy: {
      isShared: config.shared,
      defaultTtl: config.default_ttl,
      maxTtl: config.max_ttl,
      staleWhileRevalidate: config.stale_while_revalidate,
      staleIfError: config.stale_if_error,
    },
    key: createKeyRules({
      isShared: config.shared,
      keyNames: lower(config.key_names),
      varyHeaders: lower(config.vary_headers),
    }),
    asksConsumer: !config.shared && config.consumer === 'ask',
    scheme: config.scheme === 'ask' ? undefined : config.scheme,
    keepHeaders: new Set(keepHeaders),
    maxBodyBytes: config.max_body_bytes,
    fillTimeoutMs: config.fill_timeout_ms,
    followClientMs: config.follow_client_ms,
    uncacheableMs: config.uncacheable_seconds * 1000,
    clientDirectives: config.client_cache_control,
    invalidate: config.invalidate,
    stream: config.stream,
  }
}

function refuse(field: string, reason: string): never {
  throw new SluiceError('SLUICE_PLUGIN_CONFIG', `config.${field}: ${reason}`, {
    details: { field: `config.${field}` },
  })
}
