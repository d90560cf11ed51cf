import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { type Check, examine, type Finding, type Patient } from '../../../cli/doctor/check.ts'
import { judgeDump } from '../../../cli/doctor/dump.ts'
import { checkPostgres, checkRabbit, checkSpool } from '../../../cli/doctor/events.ts'
import { judgeVersion } from '../../../cli/doctor/kong.ts'
import { checkBacklog, checkNode } from '../../../cli/doctor/machine.ts'
import { checkSocket, judgeRights } from '../../../cli/doctor/socket.ts'
import { checkRedis, judgeEviction, judgeLatency } from '../../../cli/doctor/stores.ts'
import { readSettings } from '../../../foundation/settings.ts'
import { makeFolder } from '../../support/folder.ts'
import { sharedPostgres, sharedRabbit, sharedRedis } from '../../support/services.ts'

const patient = (env: Record<string, string>): Patient => ({
  settings: readSettings(env),
  plugins: [],
  dumpCommand: [],
  adminUrl: undefined,
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
    const findings = await examine(patient({}), { broken })
    assert.equal(findings[0]?.state, 'fail')
    assert.match(findings[0]?.message ?? '', /boom/)
  })

  describe('looks at a socket', () => {
    const folder = makeFolder()
    after(folder.remove)
    const socketAt = (name: string) => patient({ SLUICE_SOCKET: path.join(folder.path, name) })

    it('that is not there, that is a file, or whose path is too long', async () => {
      assert.match((await checkSocket(socketAt('none')))[0]!.message, /nothing at/)
      writeFileSync(path.join(folder.path, 'file'), '')
      assert.match((await checkSocket(socketAt('file')))[0]!.message, /no socket/)
      assert.match((await checkSocket(socketAt('x'.repeat(108))))[0]!.message, /107 bytes/)
    })

    it('on which a server listens', async () => {
      const server = createServer()
      const file = path.join(folder.path, 'alive')
      await new Promise<void>(resolve => server.listen(file, resolve))
      chmodSync(file, 0o660)
      assert.deepEqual(states(await checkSocket(socketAt('alive'))), ['ok', 'ok', 'ok'])
      await new Promise(resolve => server.close(resolve))
    })
  })

  describe('asks the real services', function () {
    this.timeout(90_000)
    const folder = makeFolder()
    after(folder.remove)

    it('that answer', async () => {
      const [redis, postgres, rabbit] = await Promise.all([sharedRedis(), sharedPostgres(), sharedRabbit()])
      const all = patient({
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
      const gone = patient({
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
      assert.deepEqual(states(await checkSpool(patient(settings))), ['ok', 'ok'])
      const huge = { SLUICE_SPOOL_DIR: folder.path, SLUICE_SPOOL_MAX_BYTES: String(2 ** 52) }
      assert.deepEqual(states(await checkSpool(patient(huge))), ['warn', 'warn'])
    })
  })
})
