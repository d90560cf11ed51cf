import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectProtobuf, type KongConnection } from './fake-kong.ts'
import { makeFolder } from './folder.ts'

export interface LogLine {
  readonly level: number
  readonly msg: string
  readonly [field: string]: unknown
}

export interface ServerProcess {
  readonly pid: number
  readonly socket: string
  readonly spool: string
  /** What it has logged so far. */
  log(): readonly LogLine[]
  connect(): Promise<KongConnection>
  /** Ends it in order (SIGTERM) and removes its files. */
  close(): Promise<void>
}

/** A plugin server of its own process, as `sluice serve` starts it. */
export async function startServerProcess(
  env: Readonly<Record<string, string>>,
  where: { readonly socket?: string; readonly plugins?: string } = {},
): Promise<ServerProcess> {
  const folder = makeFolder()
  const socket = where.socket ?? path.join(folder.path, 'sluice.sock')
  const spool = path.join(folder.path, 'spool')
  const program = new URL('../../cli/sluice.js', import.meta.url).pathname
  const more = where.plugins === undefined ? [] : ['--plugins', where.plugins]
  const child = spawn(process.execPath, [program, 'serve', '--socket', socket, '--http', 'off', ...more], {
    env: {
      PATH: process.env.PATH,
      SLUICE_SPOOL_DIR: spool,
      SLUICE_LOG_LEVEL: 'warn',
      SLUICE_FINGERPRINT_SECRET: 'a-secret-of-the-tests-0123456789abcdef',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout?.on('data', chunk => {
    output += chunk
  })
  const log = () =>
    output
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line) as LogLine)
  const close = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 5000)
      await once(child, 'exit')
      clearTimeout(timer)
    }
    folder.remove()
  }
  try {
    await untilServing(child, socket)
  } catch (error) {
    await close()
    throw error
  }
  return { pid: child.pid!, socket, spool, log, connect: () => connectProtobuf(socket), close }
}

async function untilServing(child: ChildProcess, socket: string): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (child.exitCode !== null) throw new Error(`the plugin server ended with ${child.exitCode}`)
    try {
      ;(await connectProtobuf(socket)).close()
      return
    } catch {
      await sleep(25)
    }
  }
  throw new Error('the plugin server did not listen within 10 s')
}
