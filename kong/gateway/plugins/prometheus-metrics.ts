import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Exchange } from '../proxy/exchange.ts'
import type { BuiltinHost } from './builtin.ts'

/** Which metrics a configuration of the plugin wants. */
export interface WantedMetrics {
  readonly per_consumer: boolean
  readonly status_code_metrics: boolean
  readonly latency_metrics: boolean
  readonly bandwidth_metrics: boolean
}

const KONG_BUCKETS = [1, 2, 5, 7, 10, 15, 20, 30, 50, 75, 100, 200, 500, 750, 1_000, 3_000, 6_000]
const UPSTREAM_BUCKETS = [25, 50, 80, 100, 250, 400, 700, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000]
const ROUTED = ['service', 'route', 'workspace'] as const

/** What is counted of each request, by Kong's names. */
export class TrafficMetrics {
  readonly registry = new Registry()
  readonly #requests = new Counter({
    name: 'kong_http_requests_total',
    help: 'HTTP status codes per consumer/service/route in Kong',
    labelNames: ['service', 'route', 'code', 'source', 'workspace', 'consumer'],
    registers: [this.registry],
  })
  readonly #bandwidth = new Counter({
    name: 'kong_bandwidth_bytes',
    help: 'Total bandwidth (ingress/egress) throughput in bytes',
    labelNames: ['service', 'route', 'direction', 'workspace', 'consumer'],
    registers: [this.registry],
  })
  readonly #kong = this.#latency(
    'kong_kong_latency_ms',
    'Latency added by Kong and enabled plugins for each service/route in Kong',
    KONG_BUCKETS,
  )
  readonly #upstream = this.#latency(
    'kong_upstream_latency_ms',
    'Latency added by upstream response for each service/route in Kong',
    UPSTREAM_BUCKETS,
  )
  readonly #request = this.#latency(
    'kong_request_latency_ms',
    'Total latency incurred during requests for each service/route in Kong',
    UPSTREAM_BUCKETS,
  )

  #latency(name: string, help: string, buckets: number[]) {
    return new Histogram({ name, help, buckets, labelNames: ROUTED, registers: [this.registry] })
  }

  /** Requests without a route are not counted. */
  observe(exchange: Exchange, config: WantedMetrics): void {
    const { route, service, consumer, source, status } = exchange
    if (!route) return
    const labels = {
      service: service?.name ?? service?.host ?? '',
      route: route.name ?? route.id,
      workspace: 'default',
    }
    const by = { service: labels.service, route: labels.route }
    const whose = {
      workspace: labels.workspace,
      consumer: config.per_consumer ? (consumer?.username ?? '') : '',
    }
    if (config.bandwidth_metrics) {
      const ingress = exchange.headBytes + exchange.body.bytesRead
      this.#bandwidth.inc({ ...by, direction: 'ingress', ...whose }, ingress)
      this.#bandwidth.inc({ ...by, direction: 'egress', ...whose }, exchange.responseBytes)
    }
    if (config.status_code_metrics)
      this.#requests.inc({
        ...by,
        code: String(status),
        source: source === 'service' ? 'service' : 'kong',
        ...whose,
      })
    if (!config.latency_metrics) return
    this.#request.observe(labels, exchange.requestMs)
    if (exchange.waitingMs !== undefined) this.#upstream.observe(labels, exchange.waitingMs)
    this.#kong.observe(labels, exchange.proxyLatencyMs ?? exchange.responseLatencyMs ?? 0)
  }
}

/** The state of the gateway, read at each scrape. nginx's states and memory are those of this process. */
export class NodeMetrics {
  readonly registry = new Registry()
  readonly #host: BuiltinHost
  readonly #connections = this.#gauge('kong_nginx_connections_total', 'Number of connections by subsystem', [
    'node_id',
    'subsystem',
    'state',
  ])
  readonly #requests = this.#gauge('kong_nginx_requests_total', 'Number of requests total', [
    'node_id',
    'subsystem',
  ])
  readonly #timers = this.#gauge('kong_nginx_timers', 'Number of nginx timers', ['state'])
  readonly #datastore = this.#gauge(
    'kong_datastore_reachable',
    'Datastore reachable from Kong, 0 is unreachable',
    [],
  )
  readonly #info = this.#gauge('kong_node_info', 'Kong Node metadata information', ['node_id', 'version'])
  readonly #memory = this.#gauge('kong_memory_workers_lua_vms_bytes', 'Allocated bytes in worker Lua VM', [
    'node_id',
    'pid',
    'kong_subsystem',
  ])
  readonly #health = this.#gauge(
    'kong_upstream_target_health',
    'Health status of targets of upstream. States = healthchecks_off|healthy|unhealthy|dns_error, value is 1 when state is populated.',
    ['upstream', 'target', 'address', 'state', 'subsystem'],
  )

  constructor(host: BuiltinHost) {
    this.#host = host
  }

  #gauge(name: string, help: string, labelNames: string[]) {
    return new Gauge({ name, help, labelNames, registers: [this.registry] })
  }

  collect(withHealth: boolean): void {
    const { node, traffic } = this.#host
    const { totalRequests, activeConnections } = traffic()
    const http = { node_id: node.id, subsystem: 'http' }
    const connections = {
      ...{ accepted: totalRequests, handled: totalRequests, total: totalRequests },
      ...{ active: activeConnections, reading: 0, writing: activeConnections, waiting: 0 },
    }
    for (const [state, count] of Object.entries(connections)) this.#connections.set({ ...http, state }, count)
    this.#requests.set(http, totalRequests)
    for (const state of ['running', 'pending']) this.#timers.set({ state }, 0)
    this.#datastore.set(1)
    this.#info.set({ node_id: node.id, version: node.version }, 1)
    const worker = { node_id: node.id, pid: String(process.pid), kong_subsystem: 'http' }
    this.#memory.set(worker, process.memoryUsage().heapUsed)
    this.#health.reset()
    if (withHealth) this.#collectHealth()
  }

  /** Targets are not health-checked. */
  #collectHealth(): void {
    const { state } = this.#host
    const upstreams = new Map(state.list('upstreams').map(({ id, name }) => [id, name]))
    for (const { target, upstream } of state.list('targets'))
      for (const health of ['healthchecks_off', 'healthy', 'unhealthy', 'dns_error'])
        this.#health.set(
          {
            ...{ upstream: upstreams.get(upstream.id) ?? '', target, address: target },
            ...{ state: health, subsystem: 'http' },
          },
          health === 'healthchecks_off' ? 1 : 0,
        )
  }
}
