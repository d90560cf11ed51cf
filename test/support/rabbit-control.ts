import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Service } from './services.ts'

const run = promisify(execFile)

/**
 * Runs `rabbitmqctl` against a broker on this machine: the program that lies beside the broker's own, with the
 * environment and the cookie of its process. Linux only; undefined for a broker in a container.
 */
export function rabbitControl(service: Service): ((...args: string[]) => Promise<string>) | undefined {
  if (service.pid === undefined) return undefined
  const read = (name: string) =>
    readFileSync(`/proc/${service.pid}/${name}`, 'utf8').split('\0').filter(Boolean)
  const env = Object.fromEntries(read('environ').map(line => line.split(/=(.*)/s).slice(0, 2)))
  const server = read('cmdline').find(word => path.basename(word) === 'rabbitmq-server')
  if (server === undefined) return undefined
  const cookie = readFileSync(path.join(env.HOME, '.erlang.cookie'), 'utf8')
  return async (...args) => {
    const program = path.join(path.dirname(server), 'rabbitmqctl')
    const words = ['-n', env.RABBITMQ_NODENAME, '--erlang-cookie', cookie, ...args]
    return (await run(program, words, { env, timeout: 60_000 })).stdout
  }
}
