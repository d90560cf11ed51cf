import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createLogger } from '../../foundation/log.ts'
import { readSettings } from '../../foundation/settings.ts'
import { type Server, startServer } from '../../plugin-server/main.ts'
import { describePlugin } from '../../plugin-server/runtime/info.ts'
import { composePlugins, definePlugin, Type } from '../../sdk/sdk.ts'
import { connectMsgpack, connectProtobuf, type KongConnection, type PdkCall } from '../support/fake-kong.ts'

const eddie = { id: 'c-1', username: 'eddie' }
const knowsEddie = ({ method }: PdkCall) => (method === 'kong.client.get_consumer' ? eddie : undefined)

/** What the members did, in order. */
const steps: string[] = []

const counter = definePlugin({
  name: 'counter',
  version: '1.0.0',
  priority: 20,
  config: Type.Object({ step: Type.Integer({ default: 1 }) }),
  memory: () => ({ total: 0 }),
  phases: {
    async access(kong, { config, memory }) {
      const consumer = await kong.client.getConsumer()
      memory.total += config.step
      steps.push(`count ${consumer?.username} ${memory.total}`)
      kong.response.setHeader('x-total', memory.total)
      return () => {
        memory.total -= config.step
        steps.push(`give back to ${memory.total}`)
      }
    },
  },
})

const gate = definePlugin({
  name: 'the-gate',
  version: '1.0.0',
  priority: 10,
  noScope: ['consumer'],
  onError: 'open',
  deadlineMs: { access: ({ mode }) => (['stuck', 'late'].includes(mode) ? 200 : 60_000) },
  config: Type.Object({ mode: Type.String() }),
  phases: {
    async access(kong, { config }) {
      await kong.client.getConsumer()
      steps.push(`gate ${config.mode}`)
      if (config.mode === 'closed') kong.response.exit(503, 'shut')
      if (config.mode === 'broken') throw new Error('on purpose')
      if (config.mode === 'stuck') await new Promise(() => {})
      if (config.mode === 'late') {
        kong.response.setHeader('x-gate', 'half')
        await new Promise(resolve => setTimeout(resolve, 300))
        try {
          kong.response.setHeader('x-gate', 'late')
        } catch (error) {
          steps.push(`gate ${(error as { code?: string }).code}`)
        }
        kong.response.exit(503, 'shut late')
      }
    },
    log: () => {
      steps.push('gate log')
    },
  },
})

/** Runs behind the gate; what a late gate still says must not be taken for its words. */
const porter = definePlugin({
  name: 'porter',
  version: '1.0.0',
  priority: 5,
  deadlineMs: { access: 60_000 },
  config: Type.Object({
    exit: Type.Boolean({ default: false }),
    stays: Type.Boolean({ default: false }),
  }),
  phases: {
    async access(kong, { config }) {
      const consumer = await kong.client.getConsumer()
      steps.push(`porter ${consumer?.username}`)
      if (config.stays) await new Promise(() => {})
      kong.response.setHeader('x-porter', 'in')
      await new Promise(resolve => setTimeout(resolve, 60))
      if (config.exit) kong.response.exit(418, 'out')
    },
  },
})

const three = composePlugins('three', '1.0.0', [gate, counter, porter])
const both = composePlugins('both', '1.0.0', [gate, counter])

describe('a composed plugin', () => {
  it('is described to Kong with one optional record a member and the phases of all', () => {
    const dump = describePlugin(both)
    assert.equal(dump.Priority, 20)
    assert.deepEqual([...dump.Phases].sort(), ['access', 'log'])
    const config = dump.Schema.fields.find(field => 'config' in field)!.config!
    const names = (config.fields as object[]).flatMap(field => Object.keys(field))
    assert.deepEqual(names, ['counter', 'the_gate'])
    assert.deepEqual(config.entity_checks, [{ at_least_one_of: ['counter', 'the_gate'] }])
    assert.deepEqual(dump.Schema.fields[0], {
      consumer: { type: 'foreign', reference: 'consumers', eq: null },
    })
  })

  it('must have members with names of their own', () => {
    assert.throws(() => composePlugins('none', '1.0.0', []), /names of their own/)
    assert.throws(() => composePlugins('twice', '1.0.0', [gate, gate]), /names of their own/)
  })

  const speakers: [string, (path: string) => Promise<KongConnection>][] = [
    ['ProtoBuf:1', connectProtobuf],
    ['MsgPack:1', connectMsgpack],
  ]
  for (const [protocol, connect] of speakers)
    describe(`over ${protocol}`, () => {
      let server: Server
      let kong: KongConnection
      const folder = mkdtempSync(path.join(tmpdir(), 'sluice-compose-'))
      before(async () => {
        const settings = readSettings({
          SLUICE_SOCKET: path.join(folder, 'run', 'sluice.sock'),
          SLUICE_SPOOL_DIR: path.join(folder, 'spool'),
          SLUICE_HTTP: 'off',
        })
        server = await startServer(settings, { plugins: [both, three, counter], log: createLogger('silent') })
      })
      after(async () => {
        await server.close()
        rmSync(folder, { recursive: true })
      })
      beforeEach(async () => {
        steps.length = 0
        kong = await connect(server.socket)
      })
      afterEach(() => kong.close())
      const start = (id: string, config: object) => kong.startInstance('both', { __plugin_id: id, ...config })

      it('runs its members by priority in one event, and asks Kong once for what both want', async () => {
        const id = await start('a', { counter: { step: 2 }, the_gate: { mode: 'open' } })
        const { outcome, calls } = await kong.event(id, 'access', knowsEddie)
        assert.equal(outcome, 'ended')
        assert.deepEqual(steps, ['count eddie 2', 'gate open'])
        assert.deepEqual(
          calls.map(call => call.method),
          ['kong.client.get_consumer', 'kong.response.set_headers'],
        )
      })

      it('shares the memory of a member with the plugin alone', async () => {
        const id = await kong.startInstance('counter', { __plugin_id: 'alone' })
        await kong.event(id, 'access', knowsEddie)
        assert.deepEqual(steps, ['count eddie 3'])
      })

      it('takes back what earlier members did when a later one ends the request', async () => {
        const id = await start('b', { counter: {}, the_gate: { mode: 'closed' } })
        const { outcome, exit } = await kong.event(id, 'access', knowsEddie)
        assert.equal(outcome, 'exited')
        assert.equal(exit?.[0], 503)
        assert.deepEqual(steps, ['count eddie 4', 'gate closed', 'give back to 3'])
      })

      // Over MsgPack an event outlives the connection on which it began.
      if (protocol === 'ProtoBuf:1')
        it('takes back what members did when Kong goes away meanwhile', async () => {
          const config = { __plugin_id: 'g', counter: {}, porter: { stays: true } }
          const gone = kong.event(await kong.startInstance('three', config), 'access', knowsEddie)
          while (!steps.includes('porter eddie')) await new Promise(resolve => setTimeout(resolve, 1))
          kong.close()
          await gone
          while (steps.length < 3) await new Promise(resolve => setTimeout(resolve, 1))
          assert.deepEqual(steps, ['count eddie 4', 'porter eddie', 'give back to 3'])
        })

      it("keeps each member's failure policy", async () => {
        const broken = await start('c', { counter: {}, the_gate: { mode: 'broken' } })
        assert.equal((await kong.event(broken, 'access', knowsEddie)).outcome, 'ended')
        assert.deepEqual(steps, ['count eddie 4', 'gate broken'])
      })

      it("holds each member to its deadline inside the event's", async () => {
        const stuck = await start('d', { counter: {}, the_gate: { mode: 'stuck' } })
        assert.equal((await kong.event(stuck, 'access', knowsEddie)).outcome, 'ended')
      })

      it('runs the members behind a late one whose policy is open, and lets nothing of the late one through', async () => {
        for (const exit of [false, true]) {
          steps.length = 0
          const config = {
            __plugin_id: `l${exit}`,
            counter: {},
            the_gate: { mode: 'late' },
            porter: { exit },
          }
          const id = await kong.startInstance('three', config)
          const { outcome, calls, exit: answer } = await kong.event(id, 'access', knowsEddie)
          assert.equal(outcome, exit ? 'exited' : 'ended')
          assert.equal(answer?.[0], exit ? 418 : undefined)
          assert.ok(steps.includes('porter eddie'))
          const headers = exit ? answer?.[2] : calls.at(-1)?.args[0]
          assert.deepEqual(Object.keys(headers as object).sort(), ['x-porter', 'x-total'])
          assert.equal(calls.filter(call => call.method === 'kong.client.get_consumer').length, 1)
          while (!steps.includes('gate SLUICE_PDK_CLOSED'))
            await new Promise(resolve => setTimeout(resolve, 5))
          assert.equal(steps.filter(step => step.startsWith('give back')).length, exit ? 1 : 0)
          if (exit) kong = await connect(server.socket)
        }
      })

      it('leaves out a member without its record', async () => {
        const id = await start('e', { the_gate: { mode: 'open' } })
        await kong.event(id, 'access', knowsEddie)
        await kong.event(id, 'log', () => ({}))
        assert.deepEqual(steps, ['gate open', 'gate log'])
      })

      it('refuses a configuration without any member', async () => {
        await assert.rejects(start('f', {}))
      })
    })
})
