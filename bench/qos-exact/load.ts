/** Requests of one subject to several plugin servers. */
import { setTimeout as pause } from 'node:timers/promises'
import type { KongLane } from '../kong-lane.ts'
import type { Node } from './nodes.ts'

export interface Answered {
  admitted: number
  rejected: number
  /** Neither: the plugin server closed the connection. */
  failed: number
  /** From the event to its end, of every request. */
  readonly latenciesMs: number[]
}

const nothing = (): Answered => ({ admitted: 0, rejected: 0, failed: 0, latenciesMs: [] })

async function send(lane: KongLane, instance: number, answered: Answered): Promise<boolean> {
  const startedMs = performance.now()
  const outcome = await lane.event(instance, 'access').catch(() => 'failed' as const)
  answered.latenciesMs.push(performance.now() - startedMs)
  if (outcome === 'ended') answered.admitted++
  else if (outcome === 'rejected') answered.rejected++
  else answered.failed++
  return outcome === 'ended'
}

/** All at once, each on a connection of its own that is open before the first is sent. */
export async function storm(nodes: readonly Node[], config: object, requests: number): Promise<Answered> {
  const answered = nothing()
  const sends: (() => Promise<unknown>)[] = []
  const lanes: KongLane[] = []
  for (const node of nodes) {
    const opened = await Promise.all(Array.from({ length: requests / nodes.length }, () => node.open()))
    lanes.push(...opened)
    const instance = await opened[0]!.startInstance('qos', config)
    for (const lane of opened) sends.push(() => send(lane, instance, answered))
  }
  await Promise.all(sends.map(begin => begin()))
  for (const lane of lanes) lane.close()
  return answered
}

/** So many a second, whether or not those before have been answered, on as many connections as that takes. */
export async function steady(
  nodes: readonly Node[],
  config: object,
  { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number },
): Promise<Answered> {
  const answered = nothing()
  const sides = await Promise.all(
    nodes.map(async node => {
      const lane = await node.open()
      return { node, instance: await lane.startInstance('qos', config), idle: [lane] }
    }),
  )
  const all: Promise<void>[] = []
  const startedMs = performance.now()
  for (let i = 0; i < perSecond * seconds; i++) {
    const waitMs = startedMs + (i * 1000) / perSecond - performance.now()
    if (waitMs > 0) await pause(waitMs)
    const side = sides[i % sides.length]!
    all.push(
      (async () => {
        const lane = side.idle.pop() ?? (await side.node.open())
        // Kong gives a connection up on which it has answered a client.
        if (await send(lane, side.instance, answered)) side.idle.push(lane)
        else lane.close()
      })(),
    )
  }
  await Promise.all(all)
  for (const { idle } of sides) for (const lane of idle) lane.close()
  return answered
}
