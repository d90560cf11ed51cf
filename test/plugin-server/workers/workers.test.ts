import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { systemClock } from '../../../foundation/clock.ts'
import { createLogger } from '../../../foundation/log.ts'
import { createMetrics } from '../../../foundation/metrics.ts'
import { readSettings } from '../../../foundation/settings.ts'
import { systemTimers } from '../../../foundation/timers.ts'
import type { Server } from '../../../plugin-server/main.ts'
import { bindShared } from '../../../plugin-server/transport/listener.ts'
import {
  type FromWorker,
  type KnownInstance,
  SOCKET_FD,
  type ToWorker,
} from '../../../plugin-server/workers/messages.ts'
import { startWorkers } from '../../../plugin-server/workers/parent.ts'
import { WorkerPool } from '../../../plugin-server/workers/pool.ts'
import { connectMsgpack, connectProtobuf, type KongConnection } from '../../support/fake-kong.ts'
import { makeFolder } from '../../support/folder.ts'
import { START_MS, sharedRedis } from '../../support/services.ts'
import { until } from '../../support/until.ts'

/** Tells which process served the event, and dies when it is told to. */
const WHO = `
import { existsSync, writeFileSync } from 'node:fs'
export const plugin = {
  name: 'who', version: '1.0.0', priority: 1,
  config: { type: 'object', properties: { marker: { type: 'string' }, file: { type: 'string' } } },
  instance(config) { if (config.marker === 'wrong') throw new Error('config.marker is wrong') },
  phases: {
    access(kong, { config }) {
      if (config.marker === 'die') process.kill(process.pid, 'SIGKILL')
      if (config.marker === 'hold') {
        // Holds the whole process until the test lets it go on.
        writeFileSync(config.file, '')
        while (existsSync(config.file)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
      }
      kong.response.setHeader('x-pid', process.pid + ' ' + config.marker)
    },
  },
}`

/** Leaves a file when it has closed, and waits for the end of its parent to close; with a file `hold`, to load. */
const SLOW = `
import { existsSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
if (existsSync(new URL('../hold', import.meta.url))) {
  writeFileSync(new URL('../holds', import.meta.url), '')
  await new Promise(resolve => process.once('disconnect', resolve))
}
export const plugin = {
  name: 'slow', version: '1.0.0', priority: 1,
  config: { type: 'object', properties: { file: { type: 'string' } } },
  memory: () => ({
    async close() {
      writeFileSync(this.file + '.closing', '')
      await new Promise(resolve => process.once('disconnect', resolve))
      await pause(100)
      writeFileSync(this.file + '.closed', '')
    },
  }),
  instance(config, { memory }) { memory.file = config.file },
  phases: { access: kong => kong.response.setHeader('x-slow', 'yes') },
}`

describe('several workers', function () {
  this.timeout(20_000)
  const folder = makeFolder()
  const socket = path.join(folder.path, 'run', 'sluice.sock')
  let server: Server
  let open: KongConnection[] = []

  before(async function () {
    this.timeout(START_MS)
    const plugins = path.join(folder.path, 'plugins')
    mkdirSync(plugins)
    writeFileSync(path.join(plugins, 'who.mjs'), WHO)
    const settings = readSettings({
      SLUICE_SOCKET: socket,
      SLUICE_SPOOL_DIR: path.join(folder.path, 'spool'),
      SLUICE_REDIS_URL: (await sharedRedis()).url,
      SLUICE_REDIS_DEADLINE_MS: '1000',
      SLUICE_HTTP: '127.0.0.1:0',
      SLUICE_LOG_LEVEL: 'silent',
    })
    server = await startWorkers(settings, {
      count: 2,
      folders: [plugins],
      takeOver: false,
      log: createLogger('silent'),
    })
  })
  after(async () => {
    await server?.close()
    folder.remove()
  })
  afterEach(() => {
    for (const kong of open) kong.close()
    open = []
  })

  const connect = async () => {
    const kong = await connectProtobuf(socket)
    open.push(kong)
    return kong
  }
  /** The process that answered, and the configuration that it judged by. */
  const ask = async (kong: KongConnection, id: number) => {
    const { outcome, calls } = await kong.event(id, 'access')
    if (outcome !== 'ended') return outcome
    return (calls[0]!.args[0] as Record<string, string>)['x-pid']!
  }
  const pidOf = (answer: string) => Number(answer.split(' ')[0])
  const connectAndAsk = (id: number) => async () => {
    const kong = await connect()
    return { kong, pid: pidOf(await ask(kong, id)) }
  }

  /** What `use` gives while the process behind this connection is busy. */
  const whileBusy = async <T>(kong: KongConnection, use: () => Promise<T>): Promise<T> => {
    const file = path.join(folder.path, 'hold')
    const id = await kong.startInstance('who', { __plugin_id: 'h', marker: 'hold', file })
    const answer = ask(kong, id)
    await until('the process is held', () => existsSync(file))
    try {
      return await use()
    } finally {
      rmSync(file)
      await answer
    }
  }

  it('share the connections, each taking them when it has time, and know an instance that another started', async () => {
    const first = await connect()
    const id = await first.startInstance('who', { __plugin_id: 'p', marker: 'one' })
    const busy = pidOf(await ask(first, id))
    const answers = await whileBusy(first, async () => {
      const found: string[] = []
      for (let i = 0; i < 8; i++) found.push(await ask(await connect(), id))
      return found
    })
    const [free] = answers.map(pidOf)
    assert.notEqual(free, busy)
    assert.deepEqual(new Set(answers), new Set([`${free} one`]))
  })

  it('refuse an instance that the plugin refuses', async () => {
    const kong = await connect()
    await assert.rejects(kong.startInstance('who', { __plugin_id: 'q', marker: 'wrong' }))
  })

  it('lose only the connections of one that dies, which is back with every instance', async () => {
    const left = await connect()
    const good = await left.startInstance('who', { __plugin_id: 'r', marker: 'good' })
    const deadly = await left.startInstance('who', { __plugin_id: 's', marker: 'die' })
    const victim = pidOf(await ask(left, good))
    const right = await whileBusy(left, connectAndAsk(good))
    assert.notEqual(right.pid, victim)
    assert.equal((await left.event(deadly, 'access')).outcome, 'closed')
    assert.equal(pidOf(await ask(right.kong, good)), right.pid)
    // It waits for the worker that takes the place of the dead one.
    const fresh = await whileBusy(right.kong, connectAndAsk(good))
    assert.ok(![victim, right.pid].includes(fresh.pid))
  })

  it('tell their metrics as one, and are ready when all are', async () => {
    const url = `http://127.0.0.1:${server.httpPort}`
    const metrics = await (await fetch(`${url}/metrics`)).text()
    assert.match(metrics, /sluice_worker_restarts_total 1/)
    assert.match(metrics, /sluice_events_total\{[^}]*plugin="who"[^}]*\} \d+/)
    assert.equal((await fetch(`${url}/readyz`)).status, 200)
  })

  it('do not speak MsgPack, in which an event wanders over connections', async () => {
    const kong = await connectMsgpack(socket)
    open.push(kong)
    const answer = kong.startInstance('who', { __plugin_id: 't', marker: 'x' }).then(() => 'started')
    const outcome = await Promise.race([answer.catch(() => 'closed'), pause(3000).then(() => 'silence')])
    assert.equal(outcome, 'closed')
  })

  it('are refused without shared state', async () => {
    const settings = readSettings({ SLUICE_SOCKET: `${socket}2`, SLUICE_HTTP: 'off' })
    const options = { count: 2, folders: [], takeOver: false, log: createLogger('silent') }
    await assert.rejects(startWorkers(settings, options), /--workers needs SLUICE_REDIS_URL/)
  })
})

describe('a worker', () => {
  /** One whose parent is the test. */
  async function startWorker(
    instancesIn: (folder: string) => readonly KnownInstance[] = () => [],
    isReady = true,
  ) {
    const folder = makeFolder()
    const plugins = path.join(folder.path, 'plugins')
    mkdirSync(plugins)
    writeFileSync(path.join(plugins, 'slow.mjs'), SLOW)
    const socket = path.join(folder.path, 'sluice.sock')
    const shared = bindShared({ path: socket, group: undefined, takeOver: false })
    const file = new URL('../../../plugin-server/workers/worker.js', import.meta.url)
    const stdio = ['ignore', 'ignore', 'inherit', 'ipc']
    stdio[SOCKET_FD] = shared.fd as never
    const child = fork(file, { serialization: 'advanced', stdio: stdio as 'inherit'[] })
    const heard: FromWorker[] = []
    child.on('message', (message: FromWorker) => heard.push(message))
    const exited = once(child, 'exit')
    const tell = (message: ToWorker) => child.send(message)
    const hear = async <K extends FromWorker['kind']>(kind: K) => {
      await until(`the worker says ${kind}`, () => heard.some(message => message.kind === kind))
      return heard.find((message): message is Extract<FromWorker, { kind: K }> => message.kind === kind)!
    }
    const settings = readSettings({
      SLUICE_SOCKET: socket,
      SLUICE_SPOOL_DIR: path.join(folder.path, 'spool'),
      SLUICE_HTTP: 'off',
      SLUICE_LOG_LEVEL: 'silent',
    })
    const instances = instancesIn(folder.path)
    tell({ kind: 'begin', worker: 0, settings, folders: [plugins], instances })
    if (isReady) await hear('ready')
    const listener = await shared.publish()
    const end = async () => {
      child.kill('SIGKILL')
      await exited
      listener.close()
      folder.remove()
    }
    return { child, folder, socket, tell, hear, exited, end }
  }

  it('makes an instance that it does not have when the others have it: it began meanwhile', async () => {
    const { child, socket, tell, hear, end } = await startWorker()
    const kong = await connectProtobuf(socket)
    try {
      const starting = kong.startInstance('slow', { __plugin_id: 'p', file: 'none' })
      const { call } = await hear('start')
      tell({ kind: 'started', call, id: 77 })
      assert.equal(await starting, 77)
      assert.equal((await kong.event(77, 'access')).outcome, 'ended')
      // A signal to the whole process group is the parent's to follow.
      child.kill('SIGTERM')
      child.kill('SIGINT')
      tell({ kind: 'report', call: 1 })
      await hear('reported')
      assert.equal((await kong.event(77, 'access')).outcome, 'ended')
    } finally {
      kong.close()
      await end()
    }
  })

  it('closes all that it has, also when its parent goes away while it does', async () => {
    const fileIn = (folder: string) => path.join(folder, 'slow')
    const { child, folder, tell, exited, end } = await startWorker(folder => [
      { id: 77, name: 'slow', config: JSON.stringify({ __plugin_id: 'p', file: fileIn(folder) }) },
    ])
    try {
      const file = fileIn(folder.path)
      tell({ kind: 'drain', succeeded: false })
      await until('the worker closes its plugins', () => existsSync(`${file}.closing`))
      child.disconnect()
      assert.deepEqual(await exited, [0, null])
      assert.ok(existsSync(`${file}.closed`))
    } finally {
      await end()
    }
  })

  it('ends when its parent goes away while it starts', async () => {
    const { child, folder, exited, end } = await startWorker(folder => {
      writeFileSync(path.join(folder, 'hold'), '')
      return []
    }, false)
    try {
      await until('the worker loads its plugins', () => existsSync(path.join(folder.path, 'holds')))
      child.disconnect()
      assert.deepEqual(await exited, [1, null])
    } finally {
      await end()
    }
  })

  it('that the system cannot start fails with its reason', async () => {
    const { execPath } = process
    const pool = new WorkerPool({
      settings: readSettings({ SLUICE_HTTP: 'off' }),
      folders: [],
      log: createLogger('silent'),
      clock: systemClock,
      timers: systemTimers,
      restarts: createMetrics().counter('sluice_worker_restarts_total', 'none').with({}),
      socketFd: 0,
    })
    process.execPath = '/nowhere/node'
    try {
      await assert.rejects(pool.start(0), /ENOENT/)
    } finally {
      process.execPath = execPath
      pool.kill()
    }
  })
})
