/**
 * The process that stays behind `make up`: starts the platform, restarts a part that ends, and ends all of it on
 * SIGTERM. Every part has a guard on a pipe from here, so nothing outlives a crash of this process.
 *
 * It reports its progress to the process that started it, as messages; until it has said `ready`, the end of that
 * process ends it too. It has no terminal, so it asks nothing and fetches nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '../../../foundation/errors.ts'
import { wantsPrometheus, wantsSamples } from './choices.ts'
import type { Component } from './component.ts'
import { removeEnvironment, writeEnvironment } from './env.ts'
import { takeLock } from './lock.ts'
import { startManager } from './manager.ts'
import { startPrometheus } from './observe.ts'
import {
  type StoreSearch,
  startGateway,
  startPluginServer,
  startSampleService,
  startStores,
  urlsOf,
} from './platform.ts'
import { readPorts } from './ports.ts'
import {
  accessKeys,
  type SampleSearch,
  startCatalogue,
  startDiscovery,
  startSamples,
  syncAccessKeys,
} from './samples.ts'
import { identify, removeState, type UpState, writeState } from './state.ts'
import { startTraceStore } from './traces.ts'

export type Progress =
  | { readonly kind: 'line'; readonly text: string }
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly text: string }

const WATCH_MS = 1_000
/** A part that ended this often is left alone. */
const MAX_RESTARTS = 5

const ports = readPorts(process.env)
/** The receiver may be gone in the middle of a message, after a Ctrl-C: then nobody needs it. */
const report = (progress: Progress) => {
  if (process.connected) process.send?.(progress, () => {})
}
const say = (text: string) => {
  process.stdout.write(`${new Date().toISOString()} ${text}\n`)
  report({ kind: 'line', text })
}

/** Those that are running, in the order of their start. */
const running = new Map<string, Component>()
let search: StoreSearch = { stores: {}, components: [], degraded: [] }
const degraded: string[] = []
let ready = false
let ending: Promise<void> | undefined

async function start(): Promise<void> {
  await takeLock('running')
  publish()
  await Promise.all([
    startStores(say).then(found => {
      search = found
      for (const component of found.components) add(component)
      tell(found.degraded)
    }),
    startSampleService(ports, say).then(add),
  ])
  say('the sample service is ready')
  // They take seconds to start, most of which is importing; the gateway is started meanwhile.
  const samples = wantsSamples() ? startSamples(ports, search.stores, say) : undefined
  samples?.catch(() => {})
  const traces = process.env.SLUICE_OTLP_URL ? undefined : await startTraceStore()
  add(await startPluginServer(ports, search.stores, traces))
  say('the plugin-server is ready')
  add(await startGateway(ports, search.stores, say))
  say('the gateway is ready')
  if (samples) await addSamples(await samples)
  if (wantsPrometheus())
    await startPrometheus(ports, say).then(add, (error: unknown) => tell([messageOf(error)]))
  ready = true
  writeEnvironment(publish())
  report({ kind: 'ready' })
  await watch()
}

async function addSamples({ components, degraded: missing }: SampleSearch): Promise<void> {
  for (const component of components) add(component)
  tell(missing)
  await syncKeys()
  const { stores } = search
  // At the same time: each takes as long as a Node.js takes to start.
  await Promise.all([
    // The manager serves the catalogue, too.
    (stores.postgres ? startManager(ports, stores) : startCatalogue(ports, stores)).then(add),
    ...(stores.consul ? [startDiscovery(ports, stores.consul.url).then(add)] : []),
  ])
}

function add(component: Component): void {
  running.set(component.name, component)
  publish()
}

/** The keys that the gateway knows, as the users service publishes them; a new gateway knows none. */
let syncedKeys = ''

async function syncKeys(): Promise<void> {
  if (!running.has('users')) return
  const keys = await accessKeys(ports)
  if (keys === syncedKeys) return
  await syncAccessKeys(ports)
  syncedKeys = keys
  say('the gateway knows the keys of the users service')
}

function tell(problems: readonly string[]): void {
  for (const text of problems) say(text)
  degraded.push(...problems)
}

/** Whatever has started is on record, so that a later run can end it after a crash of this one. */
function publish(): UpState {
  const state: UpState = {
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
    urls: urlsOf(search.stores),
  }
  if (!ending) writeState(state)
  return state
}

async function watch(): Promise<void> {
  const restarts = new Map<string, number>()
  while (!ending) {
    await sleep(WATCH_MS)
    for (const [name, component] of running) {
      const count = restarts.get(name) ?? 0
      if (ending || component.isRunning() || count >= MAX_RESTARTS) continue
      restarts.set(name, count + 1)
      say(`the ${name} exited: restarting it (${count + 1} of ${MAX_RESTARTS})`)
      try {
        add(await component.restart())
        if (name === 'gateway') syncedKeys = ''
      } catch (error) {
        say(messageOf(error))
      }
    }
    // Also after a rotation. While one of them is away there is nothing to tell.
    if (!ending) await syncKeys().catch(() => {})
  }
}

/** Ends everything, the last that was started first. */
function end(): Promise<void> {
  ending ??= (async () => {
    removeEnvironment()
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
  report({ kind: 'failed', text })
  await end()
  process.exit(1)
})
