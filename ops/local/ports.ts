import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { messageOf } from '../../foundation/errors.ts'

const TRIES = 3

/**
 * The first port that the kernel hands out by itself, for outgoing connections and for port 0 (Linux's default of
 * net.ipv4.ip_local_port_range). A free port below it stays free until somebody asks for just that one.
 */
const EPHEMERAL = 32_768
/** Above what services of the machine use by their own defaults, and above each port that browsers refuse. */
const LOWEST = 10_240

/** Processes begin anywhere and go on from there, so that two which look at once don't find the same. */
let next = randomInt(LOWEST, EPHEMERAL)

function nextPort(): number {
  if (next >= EPHEMERAL) next = LOWEST
  return next++
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  await once(server.close(), 'close')
  return true
}

/** Ports of 127.0.0.1 that nobody listens on now, all different. This process does not get one of them again soon. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  for (let left = EPHEMERAL - LOWEST; ports.length < count; left--) {
    if (left === 0) throw new Error(`no free port of 127.0.0.1 between ${LOWEST} and ${EPHEMERAL}`)
    const port = nextPort()
    if (await isFree(port)) ports.push(port)
  }
  return ports
}

/** Starts what chooses free ports; one that was free may be taken before it listens, so then it is started again. */
export async function onFreePorts<T>(start: () => Promise<T>): Promise<T> {
  for (let left = TRIES - 1; ; left--) {
    try {
      return await start()
    } catch (error) {
      if (left === 0 || !/address already in use|eaddrinuse/i.test(messageOf(error))) throw error
    }
  }
}
