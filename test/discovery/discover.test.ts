import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { freePorts } from '../../ops/local/ports.ts'
import { type TestConsul, testConsul } from '../support/consul.ts'
import { startFaultyAdmin } from '../support/faulty-admin.ts'
import { type RunningGateway, startTestGateway } from '../support/gateway.ts'
import { runSluice } from '../support/run-sluice.ts'
import { type Service, START_MS, useConsul } from '../support/services.ts'
import { until } from '../support/until.ts'
import { startUpstream, type TestUpstream } from '../support/upstream.ts'

const SLUICE = fileURLToPath(new URL('../../cli/sluice.js', import.meta.url))
const TAG = 'sluice-discovery'

describe('sluice discover', () => {
  let server: Service
  let consul: TestConsul
  let gateway: RunningGateway
  const closing: (() => Promise<unknown>)[] = []
  let services = 0

  before(async function () {
    this.timeout(START_MS)
    server = await useConsul()
    consul = testConsul(server.url)
    gateway = await startTestGateway()
  })
  after(async () => {
    await gateway?.close()
    await server?.close()
  })
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close()
  })

  /** An upstream of Kong that is fed from a service of its own, with a route to it. */
  async function newUpstream(query = '') {
    const service = `svc${++services}`
    const name = `${service}.upstream`
    const made = { name, tags: [`consul:${service}${query}`] }
    const { id } = await gateway.admin('POST', '/upstreams', made)
    await gateway.admin('POST', '/services', { name: service, url: `http://${name}` })
    await gateway.admin('POST', `/services/${service}/routes`, { name: service, paths: [`/${service}`] })
    closing.push(async () => {
      await gateway.admin('DELETE', `/routes/${service}`)
      await gateway.admin('DELETE', `/services/${service}`)
      await gateway.admin('DELETE', `/upstreams/${id}`)
    })
    return { service, name, id: String(id) }
  }
  const targetsOf = async (upstream: { id: string }) => {
    const { data } = await gateway.admin('GET', `/upstreams/${upstream.id}/targets/all`)
    return Object.fromEntries(
      (data as { target: string; weight: number }[]).map(({ target, weight }) => [target, weight]),
    )
  }
  const untilTargets = (upstream: { id: string }, expected: Record<string, number>) =>
    until(`the upstream has ${JSON.stringify(expected)}`, async () => {
      assert.deepEqual(await targetsOf(upstream), expected)
      return true
    })
  const address = (port: number) => `127.0.0.1:${port}`

  /** Registers instances that are gone behind the test. */
  const register = async (service: string, port: number, options = {}) => {
    await consul.register(service, port, options)
    closing.push(() => consul.deregister(service, port).catch(() => {}))
  }

  const env = () => ({ SLUICE_ADMIN_URL: gateway.adminUrl, SLUICE_CONSUL_URL: server.url })

  /** The command, following Consul. Its log lines are collected. */
  async function follow(args: readonly string[] = [], settings: Record<string, string> = {}) {
    const child: ChildProcess = spawn(process.execPath, [SLUICE, 'discover', '--kong-every', '1s', ...args], {
      env: { PATH: process.env.PATH, ...env(), ...settings },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const lines: Record<string, unknown>[] = []
    createInterface({ input: child.stdout! }).on('line', line => lines.push(JSON.parse(line)))
    const ended = once(child, 'exit')
    const stop = async () => {
      if (child.exitCode === null) child.kill('SIGTERM')
      return (await ended)[0] as number | null
    }
    closing.push(stop)
    return { lines, stop }
  }

  it('gives an upstream the passing instances of its service, with their weights and its own tag', async () => {
    const upstream = await newUpstream()
    const [a, b, c, d] = (await freePorts(4)) as [number, number, number, number]
    await register(upstream.service, a)
    await register(upstream.service, b, { weight: 3 })
    await register(upstream.service, c)
    await consul.setStatus(upstream.service, c, 'critical')
    await register(upstream.service, d)
    await consul.setStatus(upstream.service, d, 'warning')
    await follow()
    await untilTargets(upstream, { [address(a)]: 100, [address(b)]: 300 })
    const { data } = await gateway.admin('GET', `/upstreams/${upstream.id}/targets`)
    assert.ok((data as { tags: string[] }[]).every(({ tags }) => tags.join() === TAG))
    await consul.setStatus(upstream.service, c, 'passing')
    await consul.setStatus(upstream.service, b, 'critical')
    await untilTargets(upstream, { [address(a)]: 100, [address(c)]: 100 })
    await consul.register(upstream.service, a, { weight: 7 })
    await untilTargets(upstream, { [address(a)]: 700, [address(c)]: 100 })
  })

  it('leaves alone what others made, and repairs what others changed of its own', async () => {
    const upstream = await newUpstream()
    const [a, b] = (await freePorts(2)) as [number, number]
    const path = `/upstreams/${upstream.id}/targets`
    await gateway.admin('POST', path, { target: '10.9.9.9:80', weight: 5 })
    await gateway.admin('POST', path, { target: address(b), weight: 6 })
    await register(upstream.service, a)
    await register(upstream.service, b)
    await follow()
    const expected = { [address(a)]: 100, [address(b)]: 6, '10.9.9.9:80': 5 }
    await untilTargets(upstream, expected)
    await gateway.admin('DELETE', `${path}/${address(a)}`)
    await untilTargets(upstream, expected)
    await gateway.admin('PATCH', `${path}/${address(a)}`, { weight: 0 })
    await untilTargets(upstream, expected)
  })

  it('follows upstreams that are tagged later, and only the chosen instances', async () => {
    const { lines } = await follow()
    await until('it has begun', () => lines.some(({ msg }) => /no upstream of Kong/.test(String(msg))))
    const upstream = await newUpstream('?tag=v2')
    const [a, b] = (await freePorts(2)) as [number, number]
    await register(upstream.service, a, { tags: ['v1'] })
    await register(upstream.service, b, { tags: ['v2', 'eu'] })
    await untilTargets(upstream, { [address(b)]: 100 })
  })

  it('fails no request while Consul is gone, and holds the targets when it comes back without its state', async function () {
    this.timeout(120_000)
    const upstream = await newUpstream()
    const backends: TestUpstream[] = []
    for (let n = 0; n < 2; n++) backends.push(await startUpstream((_, response) => response.end('ok')))
    closing.push(() => Promise.all(backends.map(backend => backend.close())))
    for (const { port } of backends) await register(upstream.service, port)
    const { lines } = await follow()
    const expected = Object.fromEntries(backends.map(({ port }) => [address(port), 100]))
    await untilTargets(upstream, expected)

    const failures: unknown[] = []
    let requests = 0
    let over = false
    const client = async () => {
      while (!over) {
        const status = await fetch(`${gateway.proxyUrl}/${upstream.service}`).then(
          async answer => (await answer.text()) && answer.status,
          String,
        )
        requests++
        if (status !== 200) failures.push(status)
      }
    }
    const clients = Promise.all([client(), client()])
    const grow = async (by: number) => {
      const goal = requests + by
      await until('requests go on', () => requests >= goal)
    }
    try {
      await grow(50)
      await server.kill()
      await until('it has noticed', () => lines.some(({ msg }) => /Consul unavailable/.test(String(msg))))
      await grow(300)
      assert.deepEqual(await targetsOf(upstream), expected)
      await server.restart()
      await until('it holds the targets', () => lines.some(({ msg }) => /kept for now/.test(String(msg))))
      assert.deepEqual(await targetsOf(upstream), expected)
      await grow(100)
      for (const { port } of backends) await consul.register(upstream.service, port)
      await grow(100)
    } finally {
      over = true
      await clients
    }
    assert.deepEqual(failures, [])
    assert.deepEqual(await targetsOf(upstream), expected)
  })

  it('writes each target once, though Kong goes away and answers are lost', async function () {
    this.timeout(60_000)
    const upstream = await newUpstream()
    const admin = await startFaultyAdmin(gateway.adminUrl)
    closing.push(() => admin.close())
    const [a, b, c] = (await freePorts(3)) as [number, number, number]
    await register(upstream.service, a)
    await follow([], { SLUICE_ADMIN_URL: admin.url })
    await untilTargets(upstream, { [address(a)]: 100 })
    await admin.stop()
    await register(upstream.service, b)
    await consul.setStatus(upstream.service, a, 'critical')
    await admin.restart()
    await untilTargets(upstream, { [address(b)]: 100 })
    let lost = 0
    admin.decide = (_method, _path, n) => (n > 0 && lost++ < 3 ? 'lose-answer' : 'pass')
    await register(upstream.service, c)
    await untilTargets(upstream, { [address(b)]: 100, [address(c)]: 100 })
    await consul.setStatus(upstream.service, b, 'critical')
    await untilTargets(upstream, { [address(c)]: 100 })
    assert.ok(lost >= 1)
  })

  it('changes nothing when it is started while Consul is gone', async () => {
    const upstream = await newUpstream()
    const [a] = (await freePorts(1)) as [number]
    await register(upstream.service, a)
    const first = await follow()
    await untilTargets(upstream, { [address(a)]: 100 })
    assert.equal(await first.stop(), 0)
    const [nowhere] = (await freePorts(1)) as [number]
    const second = await follow(['--consul-url', `http://127.0.0.1:${nowhere}`])
    await until('it has asked', () => second.lines.some(({ msg }) => /Consul unavailable/.test(String(msg))))
    assert.deepEqual(await targetsOf(upstream), { [address(a)]: 100 })
  })

  it('tells its health and counts what it does', async () => {
    const upstream = await newUpstream()
    const [a, http] = (await freePorts(2)) as [number, number]
    await register(upstream.service, a)
    await follow(['--http', address(http)])
    await untilTargets(upstream, { [address(a)]: 100 })
    const get = async (path: string) => fetch(`http://${address(http)}${path}`)
    await until('it is ready', async () => (await get('/readyz')).ok)
    const { service } = upstream
    const lines = [
      `sluice_discovery_instances{service="${service}"} 1`,
      `sluice_discovery_targets{service="${service}"} 1`,
      `sluice_discovery_held_targets{service="${service}"} 0`,
      `sluice_discovery_changes_total{service="${service}",type="create"} 1`,
      `sluice_discovery_delay_seconds_count{service="${service}"} 1`,
    ]
    // It counts a change once Kong has answered, by when others may see it already.
    await until('all is counted', async () => {
      const counted = (await (await get('/metrics')).text()).split('\n')
      assert.deepEqual(
        lines.filter(line => !counted.includes(line)),
        [],
      )
      return true
    })
  })

  describe('--once', () => {
    it('makes one pass and says what it did, as text and as JSON', async () => {
      const upstream = await newUpstream()
      const [a] = (await freePorts(1)) as [number]
      await register(upstream.service, a)
      const first = await runSluice(['discover', '--once', '--json'], env())
      assert.equal(first.code, 0)
      assert.deepEqual(JSON.parse(first.stdout), [
        {
          upstream: upstream.name,
          service: upstream.service,
          instances: [address(a)],
          created: [address(a)],
          updated: [],
          deleted: [],
          held: [],
        },
      ])
      const second = await runSluice(['discover', '--once'], env())
      assert.equal(second.code, 0)
      const row = second.stdout.split('\n')[1]!.split(/ {2,}/)
      assert.deepEqual(row, [upstream.name, upstream.service, '1', '-', '-', '-', '-', '-'])
      assert.deepEqual(await targetsOf(upstream), { [address(a)]: 100 })
    })

    it('empties no upstream', async () => {
      const upstream = await newUpstream()
      const [a] = (await freePorts(1)) as [number]
      await register(upstream.service, a)
      await runSluice(['discover', '--once'], env())
      await consul.deregister(upstream.service, a)
      const ran = await runSluice(['discover', '--once', '--json'], env())
      assert.deepEqual(JSON.parse(ran.stdout)[0].held, [address(a)])
      assert.deepEqual(await targetsOf(upstream), { [address(a)]: 100 })
    })

    it('names what is wrong with each upstream, and exits 1', async () => {
      await newUpstream('?tags=x')
      const [nowhere] = (await freePorts(1)) as [number]
      const ran = await runSluice(['discover', '--once', '--json'], {
        ...env(),
        SLUICE_CONSUL_URL: `http://127.0.0.1:${nowhere}`,
      })
      assert.equal(ran.code, 1)
      assert.equal(JSON.parse(ran.stdout)[0].problem.code, 'SLUICE_DISCOVERY_MARK')
      await newUpstream()
      const away = await runSluice(['discover', '--once'], {
        ...env(),
        SLUICE_CONSUL_URL: '',
        CONSUL_HTTP_ADDR: `127.0.0.1:${nowhere}`,
      })
      assert.equal(away.code, 1)
      assert.match(away.stdout, new RegExp(`no answer from Consul at http://127.0.0.1:${nowhere}`))
    })
  })

  it('ends with the reason when --http names no address, or one that is taken', async () => {
    await newUpstream()
    const wrong = await runSluice(['discover', '--http', 'nowhere'], env())
    assert.match(wrong.stderr, /--http: "nowhere" is not HOST:PORT/)
    assert.equal(wrong.code, 1)
    const { host } = new URL(gateway.adminUrl)
    const taken = await runSluice(['discover', '--http', host], env())
    assert.match(taken.stderr, new RegExp(`--http: ${host} is taken`))
    assert.equal(taken.code, 1)
  })

  it('refuses a Kong without a database', async () => {
    const dbLess = await startTestGateway({ KONG_DATABASE: 'off' })
    closing.push(() => dbLess.close())
    const ran = await runSluice(['discover'], { ...env(), SLUICE_ADMIN_URL: dbLess.adminUrl })
    assert.equal(ran.code, 1)
    assert.match(ran.stderr, /this Kong has no database[\s\S]*SLUICE_DISCOVERY_REFUSED/)
  })
})
