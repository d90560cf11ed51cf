import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { messageOf } from '../../foundation/errors.ts'

const TRIES = 3

/** Ports of 127.0.0.1 that nobody listens on now. All are held at once while they are chosen, so they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map(server => once(server, 'listening')))
  const ports = servers.map(server => (server.address() as AddressInfo).port)
  await Promise.all(servers.map(server => once(server.close(), 'close')))
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
