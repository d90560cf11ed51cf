import { setTimeout as pause } from 'node:timers/promises'
import type { Client, Outcome, Route, Target } from './target.ts'

export interface Answered extends Record<Outcome, number> {
  /** From sending a request to its answer, of every request. */
  readonly latenciesMs: number[]
}

const nothing = (): Answered => ({ admitted: 0, rejected: 0, failed: 0, latenciesMs: [] })

async function send(client: Client, answered: Answered): Promise<void> {
  const startedMs = performance.now()
  const outcome = await client.send()
  answered.latenciesMs.push(performance.now() - startedMs)
  answered[outcome]++
}

/** All at once, each on a connection of its own that is open before the first is sent. */
export async function storm(target: Target, route: Route, requests: number): Promise<Answered> {
  const answered = nothing()
  const clients = await Promise.all(Array.from({ length: requests }, (_, i) => target.open(route, i)))
  await Promise.all(clients.map(client => send(client, answered)))
  for (const client of clients) client.close()
  return answered
}

/** So many a second, whether or not those before have been answered, on as many connections as that takes. */
export async function steady(
  target: Target,
  route: Route,
  { perSecond, seconds }: { readonly perSecond: number; readonly seconds: number },
): Promise<Answered> {
  const answered = nothing()
  const idle: Client[] = []
  const all: Promise<void>[] = []
  const startedMs = performance.now()
  for (let i = 0; i < perSecond * seconds; i++) {
    const waitMs = startedMs + (i * 1000) / perSecond - performance.now()
    if (waitMs > 0) await pause(waitMs)
    all.push(
      (async () => {
        const client = idle.shift() ?? (await target.open(route, i))
        await send(client, answered)
        if (client.isOpen) idle.push(client)
      })(),
    )
  }
  await Promise.all(all)
  for (const client of idle) client.close()
  return answered
}
