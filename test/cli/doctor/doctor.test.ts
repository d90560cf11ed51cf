import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { userInfo } from 'node:os'
import path from 'node:path'
import { judgeWay, type Way } from '../../../cli/doctor/access.ts'
import { type Check, examine, type Finding, type Installation } from '../../../cli/doctor/check.ts'
import { judgeDump } from '../../../cli/doctor/dump.ts'
import { checkPostgres, checkRabbit, checkSpool } from '../../../cli/doctor/events.ts'
import { judgeInstances } from '../../../cli/doctor/instances.ts'
import { checkKong, judgeVersion } from '../../../cli/doctor/kong.ts'
import { checkBacklog, checkNode } from '../../../cli/doctor/machine.ts'
import { checkSocket, judgeRights } from '../../../cli/doctor/socket.ts'
import { checkRedis, judgeEviction, judgeLatency } from '../../../cli/doctor/stores.ts'
import { createMetrics } from '../../../foundation/metrics.ts'
import { readSettings } from '../../../foundation/settings.ts'
import { makeFolder } from '../../support/folder.ts'
import { freePort } from '../../support/ports.ts'
import { sharedPostgres, sharedRabbit, sharedRedis } from '../../support/services.ts'

const installation = (env: Record<string, string>): Installation => ({
  settings: readSettings(env),
  plugins: [],
  dumpCommand: [],
  adminUrl: undefined,
  kongUser: undefined,
})
const states = (findings: readonly Finding[]) => findings.map(finding => finding.state)

describe('the doctor', () => {
  it('knows the versions of Node.js and Kong that work, and their traps', () => {
    assert.equal(checkNode('20.19.0').state, 'ok')
    assert.equal(checkNode('20.18.3').state, 'fail')
    assert.equal(judgeVersion('2.7.1').state, 'fail')
    assert.match(judgeVersion('3.4.0').message, /reads all plugins of a dump/)
    assert.match(judgeVersion('3.9.3').message, /only the first plugin of a dump/)
    assert.equal(judgeVersion('3.10.0').state, 'warn')
  })

  it('warns of a backlog that a storm of rejections would overflow', () => {
    assert.equal(checkBacklog(128).state, 'warn')
    assert.equal(checkBacklog(4096).state, 'ok')
  })

  it('shows the byte that would break the start of Kong', () => {
    const finding = judgeDump('hello from my plugin\n{"Plugins":[]}', [])
    assert.equal(finding.state, 'fail')
    assert.match(finding.message, /begins with "hello from my plugin"/)
    assert.equal(judgeDump('{"Plugins":[{"Name":"a"}]}', ['a']).state, 'ok')
    assert.match(judgeDump('{"Plugins":[]}', ['a']).message, /lacks a/)
  })

  it('wants the socket closed to others and open to its group', () => {
    assert.equal(judgeRights(0o140_660, 'kong').state, 'ok')
    assert.equal(judgeRights(0o140_666, undefined).state, 'fail')
    assert.equal(judgeRights(0o140_600, undefined).state, 'warn')
  })

  it('tells a latency that does not fit the deadline, and a policy that throws counters away', () => {
    assert.equal(judgeLatency(0.3, 1, 30).state, 'ok')
    assert.equal(judgeLatency(3, 20, 30).state, 'warn')
    assert.equal(judgeEviction('allkeys-lru').state, 'warn')
    assert.equal(judgeEviction('noeviction').state, 'ok')
  })

  it('goes on when a check breaks down', async () => {
    const broken: Check = () => Promise.reject(new Error('boom'))
    const findings = await examine(installation({}), { broken })
    assert.equal(findings[0]?.state, 'fail')
    assert.match(findings[0]?.message ?? '', /boom/)
  })

  describe('looks at a socket', () => {
    const folder = makeFolder()
    after(folder.remove)
    const socketAt = (name: string) => installation({ SLUICE_SOCKET: path.join(folder.path, name) })

    it('that is not there, that is a file, or whose path is too long', async () => {
      assert.match((await checkSocket(socketAt('none')))[0]!.message, /nothing at/)
      writeFileSync(path.join(folder.path, 'file'), '')
      assert.match((await checkSocket(socketAt('file')))[0]!.message, /is not a socket/)
      assert.match((await checkSocket(socketAt('x'.repeat(108))))[0]!.message, /107 bytes/)
    })

    it('on which a server listens', async () => {
      const server = createServer()
      const file = path.join(folder.path, 'alive')
      await new Promise<void>(resolve => server.listen(file, resolve))
      chmodSync(file, 0o660)
      // The folder of a test is 0700: a Kong of another user could not enter it.
      assert.deepEqual(states(await checkSocket(socketAt('alive'))), ['ok', 'ok', 'ok', 'warn'])
      const own = { ...socketAt('alive'), kongUser: userInfo().username }
      assert.deepEqual(states(await checkSocket(own)), ['ok', 'ok', 'ok', 'ok'])
      const strange = { ...socketAt('alive'), kongUser: 'no-such-user' }
      assert.match((await checkSocket(strange)).at(-1)?.message ?? '', /there is no user no-such-user/)
      await new Promise(resolve => server.close(resolve))
    })
  })

  describe('looks at the folders above a socket', () => {
    const folder = (mode: number, gid = 0) => ({ path: '/run/sluice', stats: { mode, uid: 0, gid } })
    const kong = { name: 'kong', uid: 100, gids: [100, 200] }
    const judge = (way: Partial<Way>) =>
      judgeWay({
        folders: [folder(0o755)],
        socket: '/run/sluice/s',
        stats: { mode: 0o660, uid: 0, gid: 200 },
        account: undefined,
        hasGroup: false,
        ...way,
      })

    it("and calls one that Kong's user cannot enter a problem", () => {
      const closed = judge({ folders: [folder(0o700)], account: kong })
      assert.equal(closed.state, 'fail')
      assert.match(closed.message, /^user kong may not enter \/run\/sluice \(mode 0700\)$/)
      assert.equal(judge({ folders: [folder(0o710, 200)], account: kong }).state, 'ok')
      assert.equal(judge({ folders: [folder(0o710, 300)], account: kong }).state, 'fail')
      assert.equal(judge({ folders: [folder(0o755), folder(0o700)], account: kong }).state, 'fail')
    })

    it("and warns where it does not know Kong's user, or fails where a group was chosen for it", () => {
      assert.equal(judge({ folders: [folder(0o700)] }).state, 'warn')
      assert.equal(judge({ folders: [folder(0o700)], hasGroup: true }).state, 'fail')
      assert.equal(judge({ folders: [folder(0o710, 200)], hasGroup: true }).state, 'ok')
      assert.equal(judge({}).state, 'ok')
    })

    it('and at the rights of the socket itself', () => {
      assert.equal(judge({ account: kong }).state, 'ok')
      assert.match(judge({ account: { ...kong, gids: [1] } }).message, /may not connect to \/run\/sluice\/s/)
    })
  })

  describe('looks at the metrics of the server', () => {
    it('and names plugins whose configurations it has refused', async () => {
      const metrics = createMetrics()
      metrics.gauge('sluice_instances', 'Instances that are kept.').with({})
      const refused = metrics.counter('sluice_instances_refused_total', 'Instances that could not start.', [
        'plugin',
      ])
      assert.equal(judgeInstances(await metrics.text()).state, 'ok')
      refused.with({ plugin: 'qos' }).add()
      refused.with({ plugin: 'qos' }).add()
      const finding = judgeInstances(await metrics.text())
      assert.equal(finding.state, 'fail')
      assert.match(finding.message, /refused configurations of qos \(2 times\)/)
      assert.equal(judgeInstances('<html>').state, 'warn')
    })
  })

  it('names an Admin API that does not answer, once, and a proxy that is none', async () => {
    const at = (adminUrl: string) => checkKong({ ...installation({}), adminUrl })
    const [gone, ...more] = await at(`http://127.0.0.1:${await freePort()}`)
    assert.deepEqual([gone?.state, more], ['fail', []])
    assert.match(gone?.message ?? '', /^no answer from the Admin API at http:\S+: connect ECONNREFUSED/)
    const proxy = createHttpServer((_request, response) => {
      response.writeHead(404, { 'content-type': 'application/json' })
      response.end('{"message":"no Route matched with those values"}')
    })
    await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
    const { port } = proxy.address() as AddressInfo
    const [wrong] = await at(`http://127.0.0.1:${port}`)
    assert.match(wrong?.message ?? '', /this is not Kong's Admin API/)
    await new Promise(resolve => proxy.close(resolve))
  })

  describe('asks the real services', function () {
    this.timeout(90_000)
    const folder = makeFolder()
    after(folder.remove)

    it('that answer', async () => {
      const [redis, postgres, rabbit] = await Promise.all([sharedRedis(), sharedPostgres(), sharedRabbit()])
      const all = installation({
        SLUICE_REDIS_URL: redis.url,
        SLUICE_POSTGRES_URL: postgres.url,
        SLUICE_AMQP_URL: rabbit.url,
        SLUICE_REDIS_DEADLINE_MS: '5000',
      })
      assert.deepEqual(states(await checkRedis(all)), ['ok', 'ok'])
      assert.deepEqual(states(await checkPostgres(all)), ['ok'])
      assert.deepEqual(states(await checkRabbit(all)), ['ok'])
    })

    it('that are not there, without their passwords', async () => {
      const gone = installation({
        SLUICE_REDIS_URL: 'redis://u:hunter2@127.0.0.1:1',
        SLUICE_POSTGRES_URL: 'postgres://u:hunter2@127.0.0.1:1/d',
        SLUICE_AMQP_URL: 'amqp://u:hunter2@127.0.0.1:1',
      })
      const findings = (await Promise.all([checkRedis(gone), checkPostgres(gone), checkRabbit(gone)])).flat()
      assert.deepEqual(states(findings), ['fail', 'fail', 'fail'])
      assert.doesNotMatch(JSON.stringify(findings), /hunter2/)
    })

    it('and the spool: writable, with room, and the secret of the fingerprints set', async () => {
      const settings = {
        SLUICE_SPOOL_DIR: path.join(folder.path, 'not/yet/there'),
        SLUICE_SPOOL_MAX_BYTES: '1048576',
        SLUICE_FINGERPRINT_SECRET: 'x'.repeat(32),
      }
      assert.deepEqual(states(await checkSpool(installation(settings))), ['ok', 'ok'])
      const huge = { SLUICE_SPOOL_DIR: folder.path, SLUICE_SPOOL_MAX_BYTES: String(2 ** 52) }
      assert.deepEqual(states(await checkSpool(installation(huge))), ['warn', 'warn'])
    })
  })
})
