/**
 * Runs a plugin as it will run, in one process and without Docker: the plugin server's own runtime, and a local
 * gateway that speaks Kong's side of the socket and answers as a real Kong did.
 *
 * ```ts
 * const kong = await startHarness(plugin, { config: { greeting: 'hello' }, consumer: { username: 'eddie' } })
 * const answer = await kong.request('/words?x=1', { headers: { apikey: kong.apikey } })
 * await kong.close()
 * ```
 *
 * Phases run in Kong's order, an exit ends the request, calls that Kong refuses in a phase are refused, and the log
 * phase runs after the response, as there.
 */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { EventRegistry } from '../events/types/registry.ts'
import { systemClock } from '../foundation/clock.ts'
import { messageOf, SluiceError } from '../foundation/errors.ts'
import { createMetrics } from '../foundation/metrics.ts'
import { readSettings, type Settings } from '../foundation/settings.ts'
import { startGateway } from '../kong/gateway/gateway.ts'
import { readGatewaySettings } from '../kong/gateway/settings.ts'
import { Loopback } from '../plugin-server/loopback/loopback.ts'
import { createFetcher } from '../plugin-server/runtime/fetcher.ts'
import { createHosts, type HostParts } from '../plugin-server/runtime/host.ts'
import { createDump } from '../plugin-server/runtime/info.ts'
import { readPluginSettings } from '../plugin-server/runtime/plugin-settings.ts'
import {
  type AnyPlugin,
  createRegistry,
  eventTypesOf,
  type Registry,
} from '../plugin-server/runtime/registry.ts'
import { createRuntime, type Runtime } from '../plugin-server/runtime/runtime.ts'
import { MemoryStore } from '../plugin-server/stores/memory.ts'
import { createSocketServer } from '../plugin-server/transport/server.ts'
import type { CallHandler, Protocol } from '../protocol/calls.ts'
import type { Host } from '../sdk/definition.ts'
import type { EventDraft } from '../sdk/event.ts'
import { createCollectedLog, type LogLine } from './collected-log.ts'
import { type SeenRequest, startUpstream, type Upstream, type UpstreamHandler } from './upstream.ts'

export interface HarnessOptions {
  /** The plugin's configuration in Kong; defaults are filled in. */
  readonly config?: Readonly<Record<string, unknown>>
  /** With it the route requires a key; `Harness.apikey` is the consumer's. */
  readonly consumer?: {
    readonly username: string
    readonly custom_id?: string
    readonly tags?: readonly string[]
  }
  /** What the service behind the gateway answers; 200 with `{"ok":true}` by default. */
  readonly upstream?: UpstreamHandler
  /** ProtoBuf:1 by default. */
  readonly protocol?: Protocol
  /** Variables of the plugin server, such as `SLUICE_FINGERPRINT_SECRET`. */
  readonly env?: Readonly<Record<string, string>>
}

export interface RequestOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

export interface Answer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: http.IncomingHttpHeaders
  /** As UTF-8; `bytes` has it as it came. */
  readonly body: string
  readonly bytes: Buffer
  /** What reached the service; undefined where the request ended in the gateway. */
  readonly upstream: SeenRequest | undefined
}

export interface Harness {
  readonly apikey: string
  /** Sends a request through the gateway; resolves when its log phase is over, too. */
  request(path: string, options?: RequestOptions): Promise<Answer>
  /** What the plugin has published, each checked against the schema of its type. */
  readonly events: readonly EventDraft[]
  /** What the plugin, the runtime and the gateway have logged. */
  readonly log: readonly LogLine[]
  /** Metrics in Prometheus' text format. */
  metrics(): Promise<string>
  close(): Promise<void>
}

const APIKEY = 'harness-key'
/** The log phase runs in a timer after the response. */
const LOG_PHASE_WITHIN_MS = 2000

/**
 * @throws SluiceError SLUICE_PLUGIN_CONFIG with Kong's own message if it refuses the configuration, and whatever
 * refuses the definition.
 */
export async function startHarness(plugin: AnyPlugin, options: HarnessOptions = {}): Promise<Harness> {
  const server = await startPluginServer(plugin, options)
  const environment = declare(plugin, options, server)
  const gateway = await startGateway({
    settings: readGatewaySettings(environment, ['key-auth']),
    logger: server.log,
    environment,
  }).catch(async (error: unknown) => {
    await server.close()
    throw asConfigError(plugin.name, error)
  })
  const [proxy] = gateway.proxyAddresses
  if (proxy) server.proxyPort = proxy.port
  return {
    apikey: APIKEY,
    events: server.events,
    log: server.lines,
    metrics: () => server.metrics.text(),
    async request(target, { method = 'GET', headers = {}, body } = {}) {
      server.upstream.take()
      const logEventsBefore = server.logEvents
      const answer = await send(server.proxyPort, { method, path: target, headers }, body)
      await server.settled(logEventsBefore)
      return { ...answer, upstream: server.upstream.take() }
    },
    async close() {
      await gateway.close(0)
      await server.close()
    },
  }
}

/** The plugin server's own runtime with one plugin, and the service behind the gateway. */
class HarnessServer {
  readonly folder: string
  readonly socket: string
  readonly events: EventDraft[] = []
  readonly lines: LogLine[] = []
  readonly log = createCollectedLog(this.lines)
  readonly metrics = createMetrics()
  readonly upstream: Upstream
  readonly #fetcher = createFetcher()
  readonly #registry: Registry
  readonly #runtime: Runtime
  readonly #hasLogPhase: boolean
  /** Of the gateway, once it listens. */
  proxyPort = 0
  logEvents = 0

  constructor(plugin: AnyPlugin, settings: Settings, folder: string, upstream: Upstream) {
    this.folder = folder
    this.socket = settings.socket
    this.upstream = upstream
    const { log, metrics } = this
    const { fetch, call } = this.#fetcher
    const store = new MemoryStore({ clock: systemClock, metrics })
    const hosting = createHosting(plugin, settings, this.events, { log, metrics, store, fetch })
    this.#registry = createRegistry([plugin], hosting)
    const proxyUrl = () => `http://127.0.0.1:${this.proxyPort}`
    const loopback = new Loopback({ proxyUrl, secret: randomUUID(), store, clock: systemClock, call })
    this.#runtime = createRuntime({ registry: this.#registry, clock: systemClock, log, metrics, loopback })
    this.#hasLogPhase = 'log' in plugin.phases
  }

  /** What the transport calls: the runtime's own, with the log events counted. */
  get handler(): CallHandler {
    return {
      ...this.#runtime.handler,
      handleEvent: (id, phase, exchange) => {
        if (phase === 'log') this.logEvents++
        return this.#runtime.handler.handleEvent(id, phase, exchange)
      },
    }
  }

  /** Resolves when no event runs, and a log phase has begun since there were so many. */
  async settled(logEventsBefore: number): Promise<void> {
    const deadline = systemClock.monotonic() + LOG_PHASE_WITHIN_MS
    const isOver = () =>
      this.#runtime.running === 0 && (!this.#hasLogPhase || this.logEvents > logEventsBefore)
    while (!isOver() && systemClock.monotonic() < deadline) await pause(2)
  }

  /** Set once the socket is open. */
  closeSockets: () => Promise<void> = async () => {}

  async close(): Promise<void> {
    await this.closeSockets()
    this.#runtime.close()
    await this.#registry.close()
    await this.#fetcher.close()
    await this.upstream.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

async function startPluginServer(
  plugin: AnyPlugin,
  { env, upstream }: HarnessOptions,
): Promise<HarnessServer> {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-harness-'))
  const settings = readSettings({
    SLUICE_SOCKET: path.join(folder, 'plugin.sock'),
    SLUICE_SPOOL_DIR: path.join(folder, 'spool'),
    SLUICE_HTTP: 'off',
    ...env,
  })
  const server = new HarnessServer(plugin, settings, folder, await startUpstream(upstream))
  const { log, socket, handler } = server
  const sockets = await createSocketServer({
    path: socket,
    group: undefined,
    takeOver: false,
    handler,
    log,
    firstEventId: 1,
  })
  server.closeSockets = () => sockets.close()
  return server
}

function createHosting(
  plugin: AnyPlugin,
  settings: Settings,
  events: EventDraft[],
  parts: Pick<Host, 'log' | 'metrics' | 'store' | 'fetch'>,
): (plugin: string) => Host {
  const types = new EventRegistry(eventTypesOf([plugin]))
  const shared: HostParts = {
    ...parts,
    node: 'harness',
    clock: systemClock,
    random: Math.random,
    events: {
      async publish(draft) {
        const problem = types.check(draft)
        if (problem) throw new SluiceError('SLUICE_EVENTS_INVALID', problem.describe())
        events.push(draft)
      },
    },
  }
  return createHosts(shared, readPluginSettings([plugin], settings.environment))
}

/** One service, one route for every path, the plugin on it, and key-auth where there is a consumer. */
function declare(
  plugin: AnyPlugin,
  { config, consumer, protocol = 'ProtoBuf:1' }: HarnessOptions,
  { folder, socket, upstream }: HarnessServer,
) {
  const dump = path.join(folder, 'dump.json')
  writeFileSync(dump, JSON.stringify(createDump([plugin], protocol, socket)))
  const definition = path.join(folder, 'kong.json')
  const plugins = [
    ...(consumer ? [{ name: 'key-auth' }] : []),
    { name: plugin.name, ...(config && { config }) },
  ]
  const service = {
    name: 'harness',
    url: `http://127.0.0.1:${upstream.port}`,
    routes: [{ name: 'harness', paths: ['/'], strip_path: false }],
    plugins,
  }
  const consumers = consumer ? [{ ...consumer, keyauth_credentials: [{ key: APIKEY }] }] : []
  writeFileSync(definition, JSON.stringify({ _format_version: '3.0', services: [service], consumers }))
  return {
    KONG_DATABASE: 'off',
    KONG_DECLARATIVE_CONFIG: definition,
    KONG_PROXY_LISTEN: '127.0.0.1:0',
    KONG_ADMIN_LISTEN: 'off',
    KONG_PLUGINS: `bundled,${plugin.name}`,
    KONG_PLUGINSERVER_NAMES: 'harness',
    KONG_PLUGINSERVER_HARNESS_SOCKET: socket,
    KONG_PLUGINSERVER_HARNESS_QUERY_CMD: `cat ${dump}`,
  }
}

/** Kong refuses the whole declaration, which the author of a plugin has never seen. */
function asConfigError(name: string, error: unknown): unknown {
  const reason = /declarative config is invalid: (.*)/s.exec(messageOf(error))?.[1]
  if (reason === undefined) return error
  return new SluiceError('SLUICE_PLUGIN_CONFIG', `Kong refuses the configuration of ${name}: ${reason}`, {
    cause: error,
  })
}

function send(
  port: number,
  options: Pick<http.RequestOptions, 'method' | 'path' | 'headers'>,
  body: string | Uint8Array | undefined,
): Promise<Omit<Answer, 'upstream'>> {
  return new Promise((resolve, reject) => {
    const request = http.request({ ...options, host: '127.0.0.1', port, agent: false })
    request.on('error', reject)
    request.on('response', response => {
      const chunks: Buffer[] = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const bytes = Buffer.concat(chunks)
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: bytes.toString(),
          bytes,
        })
      })
    })
    request.end(body)
  })
}
