import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Service } from './services.ts'

const run = promisify(execFile)

/** It starts an Erlang of its own: two seconds on a quiet machine, a minute on a busy one. */
const CONTROL_MS = 180_000

/**
 * Gives `rabbitmqctl` of the broker: the program in its container, or the one that lies beside the broker's own on
 * this machine, with the environment and the cookie of its process (Linux only).
 */
export function rabbitControl(service: Service): (...args: string[]) => Promise<string> {
  const { execute, pid } = service
  if (execute) return (...args) => execute(['rabbitmqctl', ...args])
  if (pid === undefined) throw new Error(`this broker (${service.way}) cannot be controlled`)
  const read = (name: string) => readFileSync(`/proc/${pid}/${name}`, 'utf8').split('\0').filter(Boolean)
  const env = Object.fromEntries(read('environ').map(line => line.split(/=(.*)/s).slice(0, 2)))
  const server = read('cmdline').find(word => path.basename(word) === 'rabbitmq-server')
  if (server === undefined) throw new Error(`process ${pid} is no rabbitmq-server`)
  const cookie = readFileSync(path.join(env.HOME, '.erlang.cookie'), 'utf8')
  return async (...args) => {
    const program = path.join(path.dirname(server), 'rabbitmqctl')
    const words = ['-n', env.RABBITMQ_NODENAME, '--erlang-cookie', cookie, ...args]
    return (await run(program, words, { env, timeout: CONTROL_MS })).stdout
  }
}
