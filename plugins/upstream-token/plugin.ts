import {
  type AccessKong,
  BoundedMap,
  type Closeable,
  definePlugin,
  type Host,
  type PhaseContext,
  SluiceError,
  Type,
} from '../../sdk/sdk.ts'
import { actSubOf, identityOf, nameOfRoute, nameOfService } from './claims.ts'
import { TokenConfig } from './config.ts'
import { TOKEN_EVENTS } from './events.ts'
import { loadSign, TokenIssuer } from './issuer.ts'
import { KeyRing } from './key-ring.ts'

/** Where Kong's plugin `jwt` leaves a token that it has verified. */
const VERIFIED_JWT = 'authenticated_jwt_token'
/** How long the name of the service of a plugin entry is remembered, milliseconds: asking costs Kong 8 µs. */
const NAME_KEPT_MS = 10_000
const NAMES_KEPT = 1_000

interface Settings {
  readonly keysDir?: string
}

interface Memory extends Closeable {
  readonly host: Host<Settings>
  readonly issuer: Promise<TokenIssuer> | TokenIssuer
  /** Names of services by the entity that a plugin entry is bound to. */
  readonly names: BoundedMap<{ readonly name: string; readonly untilMs: number }>
}

type Context = PhaseContext<TokenConfig, Memory, undefined>

/** Proves to the service that a request came through the gateway: one header with a short-lived ES256 token. */
export const plugin = definePlugin({
  name: 'upstream-token',
  version: '0.1.0',
  priority: 899,
  protocols: ['http', 'https', 'grpc', 'grpcs'],
  onError: 'closed',
  config: TokenConfig,
  settings: Type.Object({
    keysDir: Type.Optional(
      Type.String({ env: 'SLUICE_TOKEN_KEYS_DIR', description: 'folder of the keys that sign tokens' }),
    ),
  }),
  events: TOKEN_EVENTS,
  needs: {
    access: ({ config }) => [
      'client.getConsumer',
      ...(config.claims_from.length > 0 ? [['ctx.shared.get', VERIFIED_JWT] as const] : []),
    ],
  },
  memory: createMemory,
  instance(_, { host }) {
    if (host.settings.keysDir === undefined)
      throw new SluiceError(
        'SLUICE_PLUGIN_CONFIG',
        'upstream-token needs SLUICE_TOKEN_KEYS_DIR, which is not set',
      )
    return undefined
  },
  phases: {
    async access(kong, context: Context) {
      const { config, memory } = context
      const [audience, consumer, actSub, route] = await Promise.all([
        audienceOf(kong, context),
        kong.client.getConsumer(),
        userOf(kong, config.claims_from),
        routeOf(kong, context),
      ])
      const identity = identityOf(config, { audience, consumer, actSub, route })
      const issuer = memory.issuer instanceof Promise ? await memory.issuer : memory.issuer
      const lifetime = { expiresIn: config.expires_in, clockSkew: config.clock_skew }
      kong.service.request.setHeader(config.header, issuer.issue(identity, lifetime))
    },
  },
})

function createMemory(host: Host<Settings>): Memory {
  const memory: { issuer: Memory['issuer'] } & Omit<Memory, 'issuer'> = {
    host,
    issuer: createIssuer(host),
    names: new BoundedMap(NAMES_KEPT),
  }
  // Without a promise, once it is there, requests are decided a turn of the loop earlier.
  void (memory.issuer as Promise<TokenIssuer>).then(
    issuer => {
      memory.issuer = issuer
    },
    () => {},
  )
  return memory
}

async function createIssuer(host: Host<Settings>): Promise<TokenIssuer> {
  const { metrics, clock, log, events } = host
  const issued = metrics.counter('sluice_token_issued_total', 'upstream tokens given to requests', [
    'outcome',
  ])
  const reads = metrics.counter('sluice_token_key_reads_total', 'readings of the folder of signing keys', [
    'outcome',
  ])
  const [signed, cached] = (['signed', 'cached'] as const).map(outcome => issued.with({ outcome }))
  const [read, failed] = (['read', 'failed'] as const).map(outcome => reads.with({ outcome }))
  const ring = new KeyRing({
    folder: host.settings.keysDir ?? '',
    clock,
    log,
    onRead: outcome => (outcome === 'read' ? read : failed)?.add(),
  })
  try {
    // Says at the start what is wrong, not at the first request; the requests try again.
    if (host.settings.keysDir !== undefined) ring.all()
  } catch {
    // It was logged.
  }
  return new TokenIssuer({
    ring,
    clock,
    sign: await loadSign(),
    onIssued: outcome => (outcome === 'signed' ? signed : cached)?.add(),
    onKeyChanged: (key, before) =>
      void events.publish({
        type: 'upstream-token.key-changed.v1',
        subject: `key/${key.kid}`,
        data: { kid: key.kid, previous_kid: before?.kid ?? null, not_before: key.notBefore },
      }),
  })
}

/** @throws SluiceError SLUICE_PLUGIN_CONFIG on a route without a service, where no audience is configured. */
function audienceOf(kong: AccessKong, { config, scope, memory }: Context): string | Promise<string> {
  if (config.audience !== undefined) return config.audience
  return remembered(memory, scope.routeId ?? scope.serviceId, async () => {
    const service = await kong.router.getService()
    if (service !== undefined) return nameOfService(service)
    throw new SluiceError('SLUICE_PLUGIN_CONFIG', 'upstream-token: the route has no service; give `audience`')
  })
}

function routeOf(
  kong: AccessKong,
  { config, scope, memory }: Context,
): Promise<string | undefined> | undefined {
  if (!config.route) return undefined
  return remembered(memory, scope.routeId && `route of ${scope.routeId}`, async () => {
    const route = await kong.router.getRoute()
    return route && nameOfRoute(route)
  })
}

/** @param key undefined where the answer depends on the request. */
async function remembered<T extends string | undefined>(
  { host, names }: Memory,
  key: string | undefined,
  ask: () => Promise<T>,
): Promise<string | T> {
  const nowMs = host.clock.monotonic()
  const known = key === undefined ? undefined : names.get(key)
  if (known && known.untilMs > nowMs) return known.name
  const name = await ask()
  if (key !== undefined && name !== undefined) names.set(key, { name, untilMs: nowMs + NAME_KEPT_MS })
  return name
}

async function userOf(kong: AccessKong, claims: readonly string[]): Promise<string | undefined> {
  return claims.length === 0 ? undefined : actSubOf(await kong.ctx.shared.get(VERIFIED_JWT), claims)
}
