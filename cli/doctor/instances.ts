import { messageOf } from '../../foundation/errors.ts'
import { type Check, type Finding, fail, ok, warn } from './check.ts'

const AREA = 'instances'
const METRIC = 'sluice_instances_refused_total'

/** Instances that the running server has refused: their requests are answered with 500. */
export const checkInstances: Check = async ({ settings }) => {
  if (settings.http === undefined)
    return [warn(AREA, 'not checked: SLUICE_HTTP is off', 'Serve /metrics to see refused instances.')]
  const { host, port } = settings.http
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}/metrics`
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) })
    return [judgeInstances(await answer.text())]
  } catch (error) {
    const { cause } = error as { cause?: unknown }
    return [
      warn(
        AREA,
        `no metrics at ${url}: ${messageOf(cause ?? error)}`,
        'Start the plugin server, or give --http the address that it was started with.',
      ),
    ]
  }
}

/** @param metrics in Prometheus' text format. */
export function judgeInstances(metrics: string): Finding {
  if (!metrics.includes('sluice_instances'))
    return warn(AREA, 'these are not the metrics of a plugin server', 'Check SLUICE_HTTP.')
  const refused = [...metrics.matchAll(new RegExp(`^${METRIC}\\{[^}]*plugin="([^"]*)"[^}]*\\} (\\d+)`, 'gm'))]
    .map(([, plugin, count]) => ({ plugin, count: Number(count) }))
    .filter(({ count }) => count > 0)
  if (refused.length === 0) return ok(AREA, 'the server has refused none since its start')
  const list = refused.map(({ plugin, count }) => `${plugin} (${count} times)`).join(', ')
  return fail(
    AREA,
    `the server has refused configurations of ${list}: their requests are answered with 500`,
    'The log of the server names the field; `sluice plan` and the entries above check the same.',
  )
}
