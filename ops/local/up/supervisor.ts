/**
 * The process that stays behind `make up`: starts the platform, restarts a part that ends, and ends all of it on
 * SIGTERM. Every part has a keeper on a pipe from here, so nothing outlives a crash of this process.
 *
 * It tells its progress to the process that started it, as messages; until it has said `ready`, the end of that
 * process (a Ctrl-C) ends it too.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '../../../foundation/errors.ts'
import type { Component } from './component.ts'
import {
  applyDesired,
  type StoreSearch,
  startGateway,
  startPluginServer,
  startSampleService,
  startStores,
} from './platform.ts'
import { readPorts } from './ports.ts'
import { identify, removeState, writeState } from './state.ts'

export type Progress =
  | { readonly kind: 'line'; readonly text: string }
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly text: string }

const WATCH_MS = 1_000
/** A part that ended this often is left alone. */
const MAX_RESTARTS = 5

const ports = readPorts(process.env)
const tell = (progress: Progress) => {
  if (process.connected) process.send?.(progress)
}
const say = (text: string) => {
  process.stdout.write(`${new Date().toISOString()} ${text}\n`)
  tell({ kind: 'line', text })
}

/** Those that are running, in the order of their start. */
const running = new Map<string, Component>()
let search: StoreSearch = { stores: {}, components: [], degraded: [] }
let ready = false
let ending: Promise<void> | undefined

async function start(): Promise<void> {
  publish()
  await Promise.all([
    startStores(say).then(found => {
      search = found
      for (const component of found.components) add(component)
    }),
    startSampleService(ports, say).then(add),
  ])
  say('the sample service is ready')
  for (const text of search.degraded) say(text)
  const starts = startsBehind(search)
  for (const [name, startOne] of Object.entries(starts)) {
    add(await startOne())
    say(`the ${name} is ready`)
  }
  ready = true
  publish()
  tell({ kind: 'ready' })
  await watch(starts)
}

function add(component: Component): void {
  running.set(component.name, component)
  publish()
}

const startsBehind = ({ stores }: StoreSearch): Readonly<Record<string, () => Promise<Component>>> => ({
  'plugin-server': () => startPluginServer(ports, stores),
  // It keeps its state in memory, so the declared state is applied at each start.
  gateway: async () => {
    const gateway = await startGateway(ports)
    try {
      say(await applyDesired(ports, stores))
    } catch (error) {
      await gateway.close()
      throw error
    }
    return gateway
  },
})

/** Whatever has started is on record, so that a later run can end it after a crash of this one. */
function publish(): void {
  if (ending) return
  const { stores, degraded } = search
  writeState({
    supervisor: identify(process.pid)!,
    ready,
    ports,
    components: [...running.values()].map(({ name, about, pid, log }) => ({
      name,
      about,
      log,
      process: identify(pid),
    })),
    degraded,
    urls: { postgres: stores.postgres?.url, rabbit: stores.rabbit?.url },
  })
}

async function watch(starts: ReturnType<typeof startsBehind>): Promise<void> {
  const restarts = new Map<string, number>()
  while (!ending) {
    await sleep(WATCH_MS)
    for (const [name, component] of running) {
      const count = restarts.get(name) ?? 0
      const startOne = starts[name]
      if (ending || component.isRunning() || !startOne || count >= MAX_RESTARTS) continue
      restarts.set(name, count + 1)
      say(`the ${name} ended; starting it again (${count + 1} of ${MAX_RESTARTS})`)
      await component.close()
      try {
        add(await startOne())
      } catch (error) {
        say(messageOf(error))
      }
    }
  }
}

/** Ends everything, the last that was started first. */
function end(): Promise<void> {
  ending ??= (async () => {
    for (const component of [...running.values()].reverse()) await component.close()
    removeState()
  })()
  return ending
}

for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => void end().then(() => process.exit(0)))
process.on('SIGHUP', () => {})
process.on('disconnect', () => {
  if (!ready) void end().then(() => process.exit(1))
})

start().catch(async (error: unknown) => {
  const text = messageOf(error)
  process.stderr.write(`${text}\n`)
  tell({ kind: 'failed', text })
  await end()
  process.exit(1)
})
