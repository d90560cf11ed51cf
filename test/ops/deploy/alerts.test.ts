import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { createLogger } from '../../../foundation/log.ts'
import { readSettings } from '../../../foundation/settings.ts'
import type { Installation } from '../../../ops/local/installation.ts'
import { obtainPrometheus } from '../../../ops/local/prometheus.ts'
import { type Server, startServer } from '../../../plugin-server/main.ts'
import { makeFolder } from '../../support/folder.ts'
import { START_MS } from '../../support/services.ts'

const PROJECT = path.resolve(import.meta.dirname, '../../../..')
const ALERTS = path.join(PROJECT, 'ops/deploy/prometheus/alerts.yml')

describe('the alert rules', function () {
  this.timeout(START_MS)
  let prometheus: Installation
  const promtool = async (...words: string[]): Promise<string> => {
    const { programs, env } = prometheus
    try {
      return (await promisify(execFile)(String(programs.promtool), words, { env })).stdout
    } catch (error) {
      const { stdout, stderr } = error as { stdout?: string; stderr?: string }
      return assert.fail(`promtool ${words.join(' ')}:\n${stdout}${stderr}`)
    }
  }
  before(async () => {
    prometheus = await obtainPrometheus(line => process.stderr.write(`Prometheus: ${line}\n`))
  })

  it('belong to a configuration that Prometheus takes', async () => {
    await promtool('check', 'config', path.join(PROJECT, 'ops/deploy/prometheus/prometheus.yml'))
  })

  it('fire for what they are there for, and for nothing else', async () => {
    await promtool('test', 'rules', path.join(PROJECT, 'test/ops/deploy/alerts.test.yml'))
  })
})

/** There once a breaker is used, and once a request has come. */
const LATER = ['sluice_breaker_phase_state', 'sluice_log_events_total']

describe('the metrics of the alert rules', () => {
  const folder = makeFolder()
  let server: Server
  before(async () => {
    const settings = readSettings({
      SLUICE_SOCKET: path.join(folder.path, 'sluice.sock'),
      SLUICE_SPOOL_DIR: path.join(folder.path, 'spool'),
      SLUICE_HTTP: '127.0.0.1:0',
      SLUICE_POSTGRES_URL: 'postgres://u:p@127.0.0.1:1/x',
      SLUICE_AMQP_URL: 'amqp://u:p@127.0.0.1:1',
      SLUICE_REDIS_URL: 'redis://127.0.0.1:1',
    })
    server = await startServer(settings, { log: createLogger('silent') })
  })
  after(async () => {
    await server.close()
    folder.remove()
  })

  it('are there from the start, while every store is away: the first step of a new one is no increase', async () => {
    const named = new Set(readFileSync(ALERTS, 'utf8').match(/sluice_\w+/g))
    for (const name of named) if (name.startsWith('sluice_manager_')) named.delete(name)
    for (const name of LATER) assert.ok(named.delete(name), name)
    const metrics = await (await fetch(`http://127.0.0.1:${server.httpPort}/metrics`)).text()
    for (const name of named) assert.match(metrics, new RegExp(`^${name}(\\{.*\\})? `, 'm'), name)
    for (const label of [
      'sluice_events_lost_total{reason="spool-full"} 0',
      'sluice_events_lost_total{reason="memory-full"} 0',
      'sluice_events_refused_total{sink="postgres"} 0',
      'sluice_events_confirmed_total{sink="rabbitmq"} 0',
      'sluice_loop_blocked_total{plugin="sluice"} 0',
      'sluice_instances_refused_total{plugin="unknown"} 0',
    ])
      assert.ok(metrics.includes(`${label}\n`), label)
  })
})
