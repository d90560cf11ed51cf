/** Prometheus beside the platform, with the alert rules of ops/deploy: SLUICE_UP_OBSERVE=on. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { guardChild } from '../child-guard.ts'
import { endOfLog, ownFolder, projectFolder, writePrivate } from '../folders.ts'
import { obtainPrometheus } from '../prometheus.ts'
import { type Component, componentOf, untilReady } from './component.ts'
import { answers } from './platform.ts'
import type { Ports } from './ports.ts'

/** @throws SluiceError SLUICE_SERVICE_UNAVAILABLE; Error where it cannot be had */
export async function startPrometheus(ports: Ports, say: (line: string) => void): Promise<Component> {
  const { programs, env } = await obtainPrometheus(line => say(`Prometheus: ${line}`))
  const folder = ownFolder('prometheus')
  const url = `http://127.0.0.1:${ports.prometheus}`
  const config = path.join(folder, 'prometheus.json')
  const rules = path.join(folder, 'alerts.yml')
  // Copied, since its user may not be able to read the project.
  writePrivate(rules, readFileSync(path.join(projectFolder(), 'ops/deploy/prometheus/alerts.yml'), 'utf8'))
  // JSON is YAML.
  writePrivate(config, JSON.stringify(configuration(ports, rules)))
  const guard = guardChild(
    {
      command: String(programs.prometheus),
      args: [
        ...[`--config.file=${config}`, `--storage.tsdb.path=${path.join(folder, 'data')}`],
        ...[`--web.listen-address=127.0.0.1:${ports.prometheus}`, '--storage.tsdb.retention.time=7d'],
      ],
      env,
      endSignal: 'TERM',
    },
    folder,
    { keepFolder: true, graceMs: 10_000 },
  )
  const log = path.join(folder, 'log')
  await guard.start()
  const problem = await untilReady({ isReady: () => answers(`${url}/-/ready`) }, guard)
  if (problem) {
    await guard.close()
    throw new Error(`Prometheus ${problem}:\n${endOfLog(log)}`)
  }
  return componentOf({
    ...{ name: 'prometheus', about: url, log, running: guard },
    async restart() {
      await guard.close()
      return startPrometheus(ports, say)
    },
  })
}

function configuration(ports: Ports, rules: string) {
  const jobs = {
    sluice: ports.http,
    kong: ports.admin,
    discovery: ports.discovery,
    users: ports.users,
    products: ports.products,
  }
  return {
    global: { scrape_interval: '5s', evaluation_interval: '15s' },
    rule_files: [rules],
    scrape_configs: Object.entries(jobs).map(([job, port]) => ({
      job_name: job,
      static_configs: [{ targets: [`127.0.0.1:${port}`] }],
    })),
  }
}
