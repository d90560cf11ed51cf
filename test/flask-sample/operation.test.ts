import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import type { IncomingMessage, ServerResponse } from 'node:http'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import pg from 'pg'
import { projectFolder } from '../../ops/local/folders.ts'
import {
  obtainPythonService,
  PYTHON_SERVICES,
  type PythonService,
  startPythonService,
} from '../../ops/local/python-service.ts'
import { type Service, START_MS, sharedPostgres, useConsul } from '../support/services.ts'
import { until } from '../support/until.ts'
import { startUpstream, type TestUpstream } from '../support/upstream.ts'

const run = promisify(execFile)
const folder = path.join(projectFolder(), 'flask-sample')

/** Nobody asks for the keys here. */
const JWKS = { SLUICE_JWKS_URL: 'http://127.0.0.1:1/jwks.json' }

describe('operating the sample services', () => {
  let env: Record<string, string>
  before(async function () {
    this.timeout(START_MS)
    const postgres = await sharedPostgres()
    env = { ...JWKS, SAMPLE_DATABASE_URL: await postgres.createDatabase() }
  })

  it('migrates once, though several processes start at once', async function () {
    this.timeout(START_MS)
    const services = await Promise.all([1, 2, 3].map(() => startPythonService('products', { env })))
    const database = new pg.Client({ connectionString: env.SAMPLE_DATABASE_URL! })
    await database.connect()
    const { rows } = await database.query('select version_num from products.alembic_version')
    await database.end()
    await Promise.all(services.map(service => service.close()))
    assert.deepEqual(rows, [{ version_num: '0001' }])
  })

  for (const name of PYTHON_SERVICES)
    it(`has migrations of ${name} that make what its models say`, async function () {
      this.timeout(START_MS)
      const { command, env: python } = await obtainPythonService(name)
      const script = [
        'import sys; from chassis.settings import read_settings; from flask_migrate import upgrade, check',
        `from ${name}.app import create_service`,
        `service = create_service(read_settings(0)${name === 'users' ? ', None' : ''})`,
        'with service.app.app_context(): upgrade(); check()',
      ]
      const settings = { ...python, ...env, PYTHONPATH: folder }
      const { stdout } = await run(command, ['-c', script.join('\n')], { env: settings })
      assert.match(stdout, /No new upgrade operations detected/)
    })

  it('names every wrong setting, and no password', async () => {
    const { command, env: python } = await obtainPythonService('products')
    const settings = {
      ...python,
      PYTHONPATH: folder,
      SAMPLE_LISTEN: 'nowhere',
      SAMPLE_DATABASE_URL: 'mysql://u:planted@h/d',
      SAMPLE_AMQP_URL_FILE: '/no/such/file',
      SAMPLE_DRAIN_SECONDS: 'long',
    }
    const error = await run(command, ['-m', 'products'], { env: settings }).then(
      () => assert.fail('it started'),
      (failure: { code: number; stderr: string }) => failure,
    )
    assert.equal(error.code, 1)
    const named = [...error.stderr.matchAll(/^ {2}(\w+):/gm)].map(([, name]) => name)
    assert.deepEqual(named.sort(), [
      'SAMPLE_AMQP_URL_FILE',
      'SAMPLE_DATABASE_URL',
      'SAMPLE_DRAIN_SECONDS',
      'SAMPLE_LISTEN',
      'SLUICE_JWKS_URL',
    ])
    assert.doesNotMatch(error.stderr, /planted/)
  })

  describe('with Consul', () => {
    let consul: Service
    let way: TestUpstream
    let service: PythonService
    /** How many answers of Consul are cut in the middle. */
    let cuts = 0
    before(async function () {
      this.timeout(START_MS)
      consul = await useConsul()
      way = await startUpstream((request, response) => {
        if (cuts === 0) return void passOn(request, response).catch(() => response.destroy())
        cuts--
        response.writeHead(200, { 'content-length': 100 }).write('{', () => response.destroy())
      })
      const settings = { ...env, CONSUL_HTTP_ADDR: way.url, SAMPLE_CONSUL_TTL_SECONDS: '2' }
      service = await startPythonService('products', { env: settings })
    })
    after(() => Promise.all([consul?.close(), service?.close(), way?.close()]))

    async function passOn(request: IncomingMessage, response: ServerResponse): Promise<void> {
      const { method = '', url } = request
      const answer = await fetch(`${consul.url}${url}`, { method, body: await text(request) })
      response.writeHead(answer.status).end(await answer.text())
    }

    /** What Consul knows of the service: none, or the status of its check. */
    const known = async () => {
      const answer = await fetch(`${consul.url}/v1/health/service/products`)
      const entries = (await answer.json()) as {
        Service: { Address: string; Port: number }
        Checks: { CheckID: string; Status: string }[]
      }[]
      return entries.map(({ Service: { Address, Port }, Checks }) => ({
        url: `http://${Address}:${Port}`,
        status: Checks.find(({ CheckID }) => CheckID.startsWith('service:'))?.Status,
      }))
    }
    const untilKnown = (...expected: object[]) =>
      until(`Consul knows ${JSON.stringify(expected)}`, async () => {
        assert.deepEqual(await known(), expected)
        return true
      })

    it('is registered at its address, and passing', () => untilKnown({ url: service.url, status: 'passing' }))

    it('is registered again by itself when Consul has forgotten it', async function () {
      this.timeout(60_000)
      await consul.restart()
      await untilKnown({ url: service.url, status: 'passing' })
    })

    it('is registered again when Consul answered nonsense', async () => {
      cuts = 3
      await until(() => cuts === 0)
      await untilKnown({ url: service.url, status: 'passing' })
    })

    it('is critical when it has crashed', async function () {
      this.timeout(60_000)
      await service.kill()
      await untilKnown({ url: service.url, status: 'critical' })
      await service.restart()
      await untilKnown({ url: service.url, status: 'passing' })
    })

    it('is gone when it ends in order', async () => {
      await service.close()
      // An agent of Consul tells its servers a moment later.
      await untilKnown()
    })
  })
})
