import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Service } from './services.ts'

const run = promisify(execFile)

/**
 * Runs `rabbitmqctl` for a broker that is ours: in its container, or as the program that lies beside the broker's own,
 * with the environment and the cookie of its process (Linux only).
 */
export async function rabbitControl(service: Service, ...args: readonly string[]): Promise<string> {
  if (service.exec) return await service.exec(['rabbitmqctl', ...args])
  const { env, server } = processOf(service)
  const cookie = readFileSync(path.join(String(env.HOME), '.erlang.cookie'), 'utf8')
  const program = path.join(path.dirname(server), 'rabbitmqctl')
  const words = ['-n', String(env.RABBITMQ_NODENAME), '--erlang-cookie', cookie, ...args]
  return (await run(program, words, { env, timeout: 60_000 })).stdout
}

function processOf({ pid }: Service): { readonly env: NodeJS.ProcessEnv; readonly server: string } {
  const read = (name: string) => readFileSync(`/proc/${pid}/${name}`, 'utf8').split('\0').filter(Boolean)
  const env = Object.fromEntries(read('environ').map(line => line.split(/=(.*)/s).slice(0, 2)))
  const server = read('cmdline').find(word => path.basename(word) === 'rabbitmq-server')
  if (server === undefined) throw new Error(`process ${pid} is no RabbitMQ broker`)
  return { env, server }
}
