import type { Plugin } from '../../entities/entities.ts'
import { type BuiltinHost, definePlugin } from './builtin.ts'
import type { WantedMetrics } from './prometheus-metrics.ts'

interface Config extends WantedMetrics {
  readonly upstream_health_metrics: boolean
}

export const prometheus = definePlugin<Config>({
  name: 'prometheus',
  priority: 13,
  start(host) {
    let metrics: ReturnType<typeof loadMetrics> | undefined
    const loaded = () => {
      metrics ??= loadMetrics(host)
      return metrics
    }
    return {
      configure: (config: Config) => ({
        log: async exchange => (await loaded()).traffic.observe(exchange, config),
      }),
      async api(method, path) {
        if (path !== '/metrics' || method !== 'GET') return undefined
        const { node, traffic } = await loaded()
        const plugins = host.state.list('plugins').filter(isEnabled)
        node.collect(plugins.some(({ config }) => config.upstream_health_metrics === true))
        // Kong shows what it counts of requests only while the plugin is configured.
        const parts = [
          await node.registry.metrics(),
          plugins.length > 0 ? await traffic.registry.metrics() : '',
        ]
        return { status: 200, type: 'text/plain; charset=UTF-8', body: parts.join('') }
      },
    }
  },
})

/** prom-client is some 100 modules: loaded when somebody wants metrics. */
async function loadMetrics(host: BuiltinHost) {
  const { NodeMetrics, TrafficMetrics } = await import('./prometheus-metrics.ts')
  return { node: new NodeMetrics(host), traffic: new TrafficMetrics() }
}

const isEnabled = ({ name, enabled }: Plugin) => name === 'prometheus' && enabled
