import {
  type AccessKong,
  definePlugin,
  type HeaderMap,
  type Host,
  type PhaseContext,
  type ResponseKong,
  systemTimers,
  Type,
} from '../../sdk/sdk.ts'
import { type Asked, ResponseCache } from './cache.ts'
import { type Config, configSchema, readConfig, type Settings } from './config.ts'
import { type Directives, directivesOf, joined, parseCacheControl } from './directives.ts'
import { reduceEncoding } from './encoding.ts'
import { CACHE_EVENTS } from './events.ts'
import { missStatus } from './fields.ts'
import { Filler } from './filler.ts'
import { hostOf, Names, pathName } from './key.ts'
import { CACHE_NAME, Lookup, type LookupMemory, stopBuffering } from './lookup.ts'
import { FILL_HEADER, fromHeader, MARK, type Mark, readMark, writeMark } from './mark.ts'
import { intentOf, isConditional, parseRequestLine, type RequestLine, wantsEvents } from './request.ts'
import { storeAnswer } from './storing.ts'

interface Memory extends LookupMemory {
  close(): Promise<void>
}

type Context = PhaseContext<Config, Memory, Settings>

const NO_DIRECTIVES: Directives = parseCacheControl(undefined)

/** A shared HTTP cache (RFC 9111): memory in front of Redis. See README.md. */
export const plugin = definePlugin({
  name: 'response-cache',
  version: '0.1.0',
  // Before qos (905) and circuit-breaker (900): a hit takes neither a token nor a probe's permit.
  priority: 906,
  protocols: ['http', 'https'],
  noScope: ['consumer'],
  onError: 'open',
  // Waits for a fetch as long as fill_timeout_ms says: 60 s at most.
  deadlineMs: { access: 65_000, response: 5000 },
  config: configSchema,
  settings: Type.Object({
    memoryBytes: Type.Integer({
      env: 'SLUICE_CACHE_MEMORY_BYTES',
      minimum: 1_048_576,
      maximum: 17_179_869_184,
      default: 67_108_864,
      description: 'memory that response-cache may take in each process',
    }),
    proxyUrl: Type.Optional(
      Type.String({ env: 'SLUICE_PROXY_URL', description: "Kong's own proxy, for fetches through it" }),
    ),
    loopbackSecret: Type.Optional(
      Type.String({ env: 'SLUICE_LOOPBACK_SECRET', secret: true, description: 'signs such fetches' }),
    ),
  }),
  events: CACHE_EVENTS,
  memory(host: Host<{ memoryBytes: number; proxyUrl?: string; loopbackSecret?: string }>): Memory {
    const { memoryBytes, proxyUrl, loopbackSecret } = host.settings
    const cache = new ResponseCache(host, systemTimers, memoryBytes)
    return {
      cache,
      filler: new Filler(cache),
      canLoopback: proxyUrl !== undefined && loopbackSecret !== undefined,
      close: () => cache.close(),
    }
  },
  instance: (config, { memory }): Settings => readConfig(config, memory.canLoopback),
  phases: {
    access,
    async response(kong, { memory, instance }: Context) {
      const mark = readMark(await kong.ctx.shared.get(MARK))
      if (mark?.kind === 'fill') await store(kong, memory, instance, mark)
      else if (mark?.kind === 'invalidate') await invalidate(kong, memory.cache, mark)
    },
  },
})

async function access(kong: AccessKong, context: Context): Promise<void> {
  const { memory, instance, scope } = context
  const [text = '', headers, scheme, consumer, route] = await Promise.all([
    kong.nginx.getVar('request'),
    kong.request.getHeaders(),
    // A service may redirect from one to the other.
    instance.scheme ?? kong.request.getForwardedScheme(),
    instance.asksConsumer ? kong.client.getConsumer() : undefined,
    scope.routeId ?? kong.router.getRoute().then(found => found?.id),
  ])
  const line = parseRequestLine(text)
  if (headers[FILL_HEADER] !== undefined && (await isFill(kong, headers))) return
  if (!line) return pass(kong, context)
  switch (intentOf(line.method, headers)) {
    case 'pass':
      return pass(kong, context)
    case 'invalidate':
      return beginInvalidation(kong, context, line, headers)
  }
  const directives = instance.clientDirectives ? directivesOf(headers) : NO_DIRECTIVES
  if (directives.has('no-store')) return pass(kong, context)
  const encoding = reduceEncoding(joined(headers['accept-encoding']))
  const keyed = { line, headers, scheme, route: route ?? '', consumer: consumer?.id, encoding }
  const asked: Asked = { names: new Names(keyed, instance.key), headers, directives }
  await new Lookup(kong, memory, instance, { asked, line, scheme, encoding }).answer()
}

/** A fetch of ours through the proxy goes on to the service, and takes its mark along. */
async function isFill(kong: AccessKong, headers: HeaderMap): Promise<boolean> {
  const mark = fromHeader(headers[FILL_HEADER])
  const isOurs = mark?.kind === 'fill' && (await kong.loopbackOrigin()) !== undefined
  kong.service.request.clearHeader(FILL_HEADER)
  if (!isOurs) return false
  // Kong does not believe our X-Forwarded-Proto: the service would answer for another scheme.
  if (mark.scheme !== (await kong.request.getForwardedScheme())) kong.response.exit(421)
  kong.ctx.shared.set(MARK, writeMark(mark))
  return true
}

function pass(kong: AccessKong, { memory, instance }: Pick<Context, 'memory' | 'instance'>): void {
  memory.cache.reporter.request('bypass')
  stopBuffering(kong, instance)
}

/** An answer that was fetched before the change, and comes after it, must not be stored. */
function beginInvalidation(kong: AccessKong, context: Context, line: RequestLine, headers: HeaderMap): void {
  if (!context.instance.invalidate) {
    pass(kong, context)
    return
  }
  const { cache } = context.memory
  const host = hostOf(headers)
  cache.reporter.request('invalidate')
  void cache.invalidate(pathName(host, line.path))
  // A buffered answer is measured against them by nginx itself, which then sends nothing at all: a change that the
  // service has made. So this one is not seen again, as a stream of events is not, and what is stored meanwhile lives
  // as long as it may.
  if (isConditional(headers) || wantsEvents(headers)) stopBuffering(kong, context.instance)
  else kong.ctx.shared.set(MARK, writeMark({ kind: 'invalidate', host, path: line.path }))
}

/** After a success (RFC 9111 section 4.4): the path itself, and what the answer names on the same host. */
async function invalidate(
  kong: ResponseKong,
  cache: ResponseCache,
  { host, path }: Mark & { kind: 'invalidate' },
): Promise<void> {
  const [status, headers] = await Promise.all([kong.response.getStatus(), kong.response.getHeaders()])
  if (status < 200 || status >= 400) return
  const paths = new Set([path])
  for (const name of ['location', 'content-location']) {
    const named = pathOnHost(joined(headers[name]), host, path)
    if (named !== undefined) paths.add(named)
  }
  await Promise.all([...paths].map(each => cache.invalidate(pathName(host, each))))
}

function pathOnHost(value: string | undefined, host: string, path: string): string | undefined {
  if (value === undefined || !URL.canParse(value, `http://${host}${path}`)) return undefined
  const url = new URL(value, `http://${host}${path}`)
  return url.host === new URL(`http://${host}`).host ? url.pathname : undefined
}

async function store(
  kong: ResponseKong,
  { cache }: Memory,
  settings: Settings,
  mark: Mark & { kind: 'fill' },
): Promise<void> {
  const result = await storeAnswer(kong, cache, settings, mark)
  const before = await kong.response.getHeader('cache-status')
  const isStored = result === 'stored' || result === 'revalidated'
  const own = missStatus(CACHE_NAME, { forward: 'miss', isStored, ...(!isStored && { detail: result }) })
  kong.response.setHeader('cache-status', before === undefined ? own : `${before}, ${own}`)
}
