import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { definePlugin, Type } from '../../sdk/sdk.ts'
import { startHarness } from '../../testing/harness.ts'
import { until } from '../support/until.ts'

const talker = definePlugin({
  name: 'talker',
  version: '1.0.0',
  priority: 1,
  config: Type.Object({ fails: Type.Boolean({ default: false }), isLate: Type.Boolean({ default: false }) }),
  // Long enough for the question on a busy machine, where the plugin is not late on purpose.
  deadlineMs: { access: ({ isLate }) => (isLate ? 500 : 60_000) },
  phases: {
    async access(kong, { log, config }) {
      log.info({ requestId: await kong.requestId(), again: await kong.requestId() }, 'asked')
      await kong.request.getPath()
      if (config.isLate) await pause(1000)
      if (config.fails) throw new Error('on purpose')
    },
    async log(kong, { log }) {
      log.info({ requestId: await kong.requestId() }, 'over')
    },
  },
})

/** Asks Kong nothing itself. */
const silent = definePlugin({
  name: 'silent',
  version: '1.0.0',
  priority: 1,
  config: Type.Object({}),
  phases: {
    access() {
      throw new Error('in access')
    },
    log() {
      throw new Error('in log')
    },
  },
})

for (const protocol of ['ProtoBuf:1', 'MsgPack:1'] as const)
  describe(`the id of a request over ${protocol}`, () => {
    it("stands in a plugin's own lines, beside plugin and phase, and is asked for once an event", async () => {
      const kong = await startHarness(talker, { protocol })
      const { headers } = await kong.request('/')
      const requestId = headers['x-kong-request-id']
      assert.match(String(requestId), /^[0-9a-f]{32}$/)
      const own = () => kong.log.filter(line => line.plugin === 'talker' && line.level === 'info')
      await until('both lines are written', () => own().length === 2)
      assert.deepEqual(own(), [
        { plugin: 'talker', phase: 'access', requestId, again: requestId, level: 'info', message: 'asked' },
        { plugin: 'talker', phase: 'log', requestId, level: 'info', message: 'over' },
      ])
      assert.match(await kong.metrics(), /sluice_event_round_trips_total\{plugin="talker",phase="access"\} 2/)
      await kong.close()
    })

    it('stands in the line of a failure and of a missed deadline, where the plugin has asked for it', async () => {
      for (const config of [{ fails: true }, { isLate: true }]) {
        const kong = await startHarness(talker, { protocol, config })
        const failures = () => kong.log.filter(line => line.level === 'error' && line.plugin === 'talker')
        const answer = await kong.request('/')
        assert.equal(answer.status, 503)
        await until('the failure is logged', () => failures().length > 0)
        const { phase, requestId } = failures()[0]!
        assert.deepEqual([phase, requestId], ['access', answer.headers['x-kong-request-id']])
        await kong.close()
      }
    })

    it('is asked for by the runtime itself only over ProtoBuf:1', async () => {
      const kong = await startHarness(silent, { protocol })
      const answer = await kong.request('/')
      assert.equal(answer.status, 503)
      const failures = () => kong.log.filter(line => line.level === 'error' && line.plugin === 'silent')
      await until('both failures are logged', () => failures().length === 2)
      const expected = protocol === 'ProtoBuf:1' ? answer.headers['x-kong-request-id'] : undefined
      assert.deepEqual(
        failures().map(({ phase, requestId }) => [phase, requestId]),
        [
          ['access', expected],
          ['log', expected],
        ],
      )
      await kong.close()
    })
  })
