import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { guardChild } from '../../ops/local/child-guard.ts'
import { freePorts } from '../../ops/local/ports.ts'
import { obtainPrometheus } from '../../ops/local/prometheus.ts'
import { until } from './until.ts'

export interface Prometheus {
  /** The present values of an expression, with their labels. */
  query(
    expression: string,
  ): Promise<readonly { readonly metric: Record<string, string>; readonly value: number }[]>
  /** Names of the alert rules that it evaluates. */
  alertRules(): Promise<readonly string[]>
  close(): Promise<void>
}

interface Answer {
  readonly data: { readonly result: readonly { metric: Record<string, string>; value: [number, string] }[] }
}

/**
 * A real Prometheus, which scrapes every second.
 *
 * @param targets `host:port` by the name of the job
 * @param rules files with alert rules
 */
export async function startPrometheus(
  folder: string,
  targets: Readonly<Record<string, string>>,
  rules: readonly string[],
): Promise<Prometheus> {
  const { programs, env } = await obtainPrometheus(line => process.stderr.write(`Prometheus: ${line}\n`))
  const [port] = await freePorts(1)
  const url = `http://127.0.0.1:${port}`
  const data = path.join(folder, 'prometheus')
  mkdirSync(data)
  const file = path.join(folder, 'prometheus.json')
  // JSON is YAML.
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: rules,
    scrape_configs: Object.entries(targets).map(([job, target]) => ({
      job_name: job,
      static_configs: [{ targets: [target] }],
    })),
  }
  writeFileSync(file, JSON.stringify(config))
  const words = [
    `--config.file=${file}`,
    `--storage.tsdb.path=${data}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ]
  const command = String(programs.prometheus)
  // Ends with this process, however that ends.
  const guard = guardChild({ command, args: words, env, endSignal: 'KILL', asCurrentUser: true }, data, {
    keepFolder: true,
  })
  await guard.start()
  const read = async (resource: string) => (await fetch(`${url}${resource}`)).json()
  await until('Prometheus is ready', () =>
    fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    ),
  )
  return {
    async query(expression) {
      const answer = (await read(`/api/v1/query?query=${encodeURIComponent(expression)}`)) as Answer
      return answer.data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }))
    },
    async alertRules() {
      const { data: found } = (await read('/api/v1/rules?type=alert')) as {
        data: { groups: { rules: { name: string }[] }[] }
      }
      return found.groups.flatMap(group => group.rules.map(({ name }) => name))
    },
    close: () => guard.close(),
  }
}
