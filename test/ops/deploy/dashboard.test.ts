import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createLogger } from '../../../foundation/log.ts'
import { readSettings } from '../../../foundation/settings.ts'
import { type Server as PluginServer, startServer } from '../../../plugin-server/main.ts'
import { createDump } from '../../../plugin-server/runtime/info.ts'
import type { AnyPlugin } from '../../../plugin-server/runtime/registry.ts'
import { plugin as aggregate } from '../../../plugins/aggregate/plugin.ts'
import { plugin as responseCache } from '../../../plugins/response-cache/plugin.ts'
import { plugin as sluice } from '../../../plugins/sluice/plugin.ts'
import { rotate } from '../../../plugins/upstream-token/rotation.ts'
import { makeFolder } from '../../support/folder.ts'
import { type RunningGateway, startTestGateway } from '../../support/gateway.ts'
import { freePort } from '../../support/ports.ts'
import { type Prometheus, startPrometheus } from '../../support/prometheus.ts'
import { START_MS, sharedPostgres, sharedRedis } from '../../support/services.ts'
import { until } from '../../support/until.ts'

const DEPLOY = path.resolve(import.meta.dirname, '../../../../ops/deploy')
const KEY = 'key-of-the-dashboard-test'

interface Panel {
  readonly title: string
  readonly targets?: readonly { readonly expr: string }[]
}

/** Every query of the dashboard, by its panel. */
function queries(): readonly (readonly [title: string, expression: string])[] {
  const text = readFileSync(path.join(DEPLOY, 'grafana/dashboards/sluice.json'), 'utf8')
  const { panels } = JSON.parse(text) as { panels: readonly Panel[] }
  return panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => [title, expr.replaceAll('$__rate_interval', '10s')] as const),
  )
}

describe('a real Prometheus beside a plugin server under load', function () {
  this.timeout(START_MS)
  const folder = makeFolder()
  const upstream = createServer((request, response) => {
    if (request.url === '/fail') response.statusCode = 500
    response.end('{}')
  })
  let server: PluginServer
  let gateway: RunningGateway
  let prometheus: Prometheus
  let isLoading = true
  let load: Promise<void> | undefined

  before(async () => {
    await new Promise<void>(resolve => upstream.listen(0, '127.0.0.1', resolve))
    const socket = path.join(folder.path, 'sluice.sock')
    const keys = path.join(folder.path, 'keys')
    rotate(keys, { now: Math.floor(Date.now() / 1_000), inSeconds: 600, revoke: false })
    const proxyPort = await freePort()
    const settings = readSettings({
      SLUICE_PROXY_URL: `http://127.0.0.1:${proxyPort}`,
      SLUICE_LOOPBACK_SECRET: 'a secret of the tests, at least 32 characters',
      SLUICE_SOCKET: socket,
      SLUICE_SPOOL_DIR: path.join(folder.path, 'spool'),
      SLUICE_HTTP: '127.0.0.1:0',
      SLUICE_REDIS_URL: (await sharedRedis()).url,
      SLUICE_POSTGRES_URL: await (await sharedPostgres()).createDatabase(),
      SLUICE_FINGERPRINT_SECRET: 'a secret of at least thirty-two bytes',
      SLUICE_TOKEN_KEYS_DIR: keys,
      SLUICE_REQUEST_LOG_FILE: path.join(folder.path, 'requests.jsonl'),
      // It takes what a collector would.
      SLUICE_OTLP_URL: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`,
    })
    const plugins = [sluice, responseCache, aggregate]
    server = await startServer(settings, { plugins, log: createLogger('silent') })
    const dumpOf = (plugin: AnyPlugin) => {
      const file = path.join(folder.path, `${plugin.name}.json`)
      writeFileSync(file, JSON.stringify(createDump([plugin], 'ProtoBuf:1', socket)))
      return `cat ${file}`
    }
    gateway = await startTestGateway({
      KONG_PROXY_LISTEN: `127.0.0.1:${proxyPort}`,
      KONG_PLUGINS: 'bundled,sluice,response-cache,aggregate',
      KONG_PLUGINSERVER_NAMES: 'sluice,cache,aggregate',
      KONG_PLUGINSERVER_AGGREGATE_SOCKET: socket,
      KONG_PLUGINSERVER_AGGREGATE_QUERY_CMD: dumpOf(aggregate),
      KONG_PLUGINSERVER_SLUICE_SOCKET: socket,
      KONG_PLUGINSERVER_SLUICE_QUERY_CMD: dumpOf(sluice),
      KONG_PLUGINSERVER_CACHE_SOCKET: socket,
      KONG_PLUGINSERVER_CACHE_QUERY_CMD: dumpOf(responseCache),
    })
    await declare()
    prometheus = await startPrometheus(
      folder.path,
      { sluice: `127.0.0.1:${server.httpPort}`, kong: new URL(gateway.adminUrl).host },
      [path.join(DEPLOY, 'prometheus/alerts.yml')],
    )
    load = send()
  })
  after(async () => {
    isLoading = false
    await load
    await prometheus?.close()
    await gateway?.close()
    await server?.close()
    upstream.closeAllConnections()
    upstream.close()
    folder.remove()
  })

  async function declare(): Promise<void> {
    const { port } = upstream.address() as AddressInfo
    await gateway.admin('POST', '/plugins', { name: 'prometheus', config: { status_code_metrics: true } })
    await gateway.admin('POST', '/consumers', { username: 'eddie' })
    await gateway.admin('POST', '/consumers/eddie/key-auth', { key: KEY })
    await gateway.admin('POST', '/services', { name: 'cached', url: `http://127.0.0.1:${port}/cached` })
    await gateway.admin('POST', '/services/cached/routes', { name: 'cached', paths: ['/cached'] })
    const cached = { name: 'response-cache', config: { default_ttl: 5 } }
    await gateway.admin('POST', '/services/cached/plugins', cached)
    const parts = [{ name: 'cached', path: '/cached', optional: true }]
    await gateway.admin('POST', '/routes', { name: 'whole', paths: ['/whole'] })
    await gateway.admin('POST', '/routes/whole/plugins', { name: 'aggregate', config: { parts } })
    // So few that a busy machine goes over them, too.
    const limits = [{ name: 'second', requests: 4, per: 1 }]
    for (const name of ['well', 'fail']) {
      await gateway.admin('POST', '/services', { name, url: `http://127.0.0.1:${port}/${name}`, retries: 0 })
      await gateway.admin('POST', `/services/${name}/routes`, { name, paths: [`/${name}`] })
      await gateway.admin('POST', `/services/${name}/plugins`, { name: 'key-auth' })
      const qos = { default_tier: 'all', sync: 'strict', tiers: { all: { limits } } }
      const breaker = { minimum_calls: 2, open_ms: 500, max_open_ms: 500, recovery_ms: 0 }
      const config = {
        qos,
        circuit_breaker: breaker,
        upstream_token: {},
        request_log: {},
        key_auth_audit: {},
      }
      await gateway.admin('POST', `/services/${name}/plugins`, { name: 'sluice', config })
    }
  }

  /** Some requests are refused for their key, some by the limit, some by the breaker. */
  async function send(): Promise<void> {
    for (let n = 0; isLoading; n++) {
      const headers = { apikey: n % 5 === 0 ? 'wrong' : KEY }
      const name = n % 7 === 0 ? 'cached' : n % 11 === 0 ? 'whole' : n % 3 === 0 ? 'fail' : 'well'
      const answer = await fetch(`${gateway.proxyUrl}/${name}`, { headers })
      await answer.body?.cancel()
      await pause(5)
    }
  }

  it('has data for every query of the Grafana dashboard', async () => {
    for (const [title, expression] of queries())
      await until(`${title}: ${expression}`, async () => (await prometheus.query(expression)).length > 0)
  })

  it('sees what was counted, not only series that stand at 0', async () => {
    for (const expression of [
      'sum(rate(sluice_qos_refused_total[30s]))',
      'sum(rate(sluice_breaker_rejected_total[30s]))',
      'sum(rate(sluice_cache_requests_total{outcome="memory-hit"}[30s]))',
      'sum(rate(sluice_audit_requests_total{outcome="denied"}[30s]))',
      'sum(rate(sluice_events_confirmed_total{sink="postgres"}[30s]))',
    ])
      await until(expression, async () => ((await prometheus.query(expression))[0]?.value ?? 0) > 0)
  })

  it('counts as many log events as Kong counts requests, under the same labels', async () => {
    const counts = async (metric: string) =>
      new Map(
        (await prometheus.query(`sum by (service, route) (${metric})`)).map(
          ({ metric: { service, route }, value }) => [`${service}/${route}`, value],
        ),
      )
    isLoading = false
    await load
    const plugin = '{plugin="key-auth-audit"}'
    await until('both have counted all', async () => {
      const ours = await counts(`sluice_log_events_total${plugin}`)
      const kong = await counts('kong_http_requests_total')
      return ['well/well', 'fail/fail'].every(name => (ours.get(name) ?? -1) === kong.get(name))
    })
  })

  it('evaluates the alert rules', async () => {
    const names = await prometheus.alertRules()
    assert.ok(names.includes('SluiceLogEventsMissing') && names.includes('SluiceDown'), names.join())
    const down = await prometheus.query('ALERTS{alertname="SluiceDown",alertstate="firing"}')
    assert.deepEqual(down, [])
  })
})
