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
import { type AnyPlugin, createRegistry, eventTypesOf } from '../plugin-server/runtime/registry.ts'
import { createRuntime } from '../plugin-server/runtime/runtime.ts'
import { MemoryStore } from '../plugin-server/stores/memory.ts'
import { createSocketServer } from '../plugin-server/transport/server.ts'
import type { CallHandler, Protocol } from '../protocol/calls.ts'
import type { Host } from '../sdk/definition.ts'
import type { EventDraft } from '../sdk/event.ts'
import { createCollectedLog, type LogLine } from './collected-log.ts'
import { type SeenRequest, startUpstream, type UpstreamHandler } from './upstream.ts'

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
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-harness-'))
  const socket = path.join(folder, 'plugin.sock')
  const settings = readSettings({
    SLUICE_SOCKET: socket,
    SLUICE_SPOOL_DIR: path.join(folder, 'spool'),
    SLUICE_HTTP: 'off',
    ...options.env,
  })
  const events: EventDraft[] = []
  const lines: LogLine[] = []
  const log = createCollectedLog(lines)
  const metrics = createMetrics()
  const fetcher = createFetcher()
  const hosting = createHosting(plugin, settings, events, { log, metrics, fetch: fetcher.fetch })
  const registry = createRegistry([plugin], hosting)
  let proxyPort = 0
  const loopback = new Loopback({
    get proxyUrl() {
      return `http://127.0.0.1:${proxyPort}`
    },
    secret: randomUUID(),
    store: new MemoryStore({ clock: systemClock, metrics }),
    clock: systemClock,
    call: fetcher.call,
  })
  const runtime = createRuntime({ registry, clock: systemClock, log, metrics, loopback })
  const hasLogPhase = createDump([plugin], 'ProtoBuf:1', socket).Plugins[0]!.Phases.includes('log')
  let logEvents = 0
  const handler: CallHandler = {
    ...runtime.handler,
    handleEvent(id, phase, exchange) {
      if (phase === 'log') logEvents++
      return runtime.handler.handleEvent(id, phase, exchange)
    },
  }
  const upstream = await startUpstream(options.upstream)
  const sockets = await createSocketServer({
    path: socket,
    group: undefined,
    takeOver: false,
    handler,
    log,
    firstEventId: 1,
  })
  const endBackground = async () => {
    await sockets.close()
    runtime.close()
    await registry.close()
    await fetcher.close()
    await upstream.close()
    rmSync(folder, { recursive: true, force: true })
  }

  const environment = declare(plugin, options, folder, socket, upstream.port)
  const gateway = await startGateway({
    settings: readGatewaySettings(environment, ['key-auth']),
    logger: log,
    environment,
  }).catch(async (error: unknown) => {
    await endBackground()
    throw asConfigError(plugin.name, error)
  })
  proxyPort = gateway.proxyAddresses[0]!.port

  return {
    apikey: APIKEY,
    events,
    log: lines,
    metrics: () => metrics.text(),
    async request(target, { method = 'GET', headers = {}, body } = {}) {
      upstream.take()
      const logEventsBefore = logEvents
      const answer = await send(proxyPort, method, target, headers, body)
      const deadline = Date.now() + LOG_PHASE_WITHIN_MS
      const isOver = () => runtime.running === 0 && (!hasLogPhase || logEvents > logEventsBefore)
      while (!isOver() && Date.now() < deadline) await pause(2)
      return { ...answer, upstream: upstream.take() }
    },
    async close() {
      await gateway.close(0)
      await endBackground()
    },
  }
}

function createHosting(
  plugin: AnyPlugin,
  settings: Settings,
  events: EventDraft[],
  parts: Pick<Host, 'log' | 'metrics' | 'fetch'>,
): (plugin: string) => Host {
  const types = new EventRegistry(eventTypesOf([plugin]))
  const shared: HostParts = {
    ...parts,
    node: 'harness',
    clock: systemClock,
    random: Math.random,
    store: new MemoryStore({ clock: systemClock, metrics: parts.metrics }),
    events: {
      async publish(draft) {
        const problem = types.check(draft)
        if (problem) throw new SluiceError('SLUICE_EVENTS_INVALID', problem.message)
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
  folder: string,
  socket: string,
  upstreamPort: number,
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
    url: `http://127.0.0.1:${upstreamPort}`,
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
  method: string,
  target: string,
  headers: Readonly<Record<string, string>>,
  body: string | Uint8Array | undefined,
): Promise<Omit<Answer, 'upstream'>> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, method, path: target, headers, agent: false })
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
