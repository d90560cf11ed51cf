import { execFile, execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import path from 'node:path'
import { promisify } from 'node:util'
import { family } from '../../ops/local/processes.ts'
import { cpuMs } from '../cpu.ts'

const run = promisify(execFile)

/** Kong's command line: `SLUICE_TEST_KONG_COMMAND`, or `kong` on the path. */
export const KONG = process.env.SLUICE_TEST_KONG_COMMAND ?? 'kong'

/** @throws where a program is missing, naming what to do. */
export function requirePrograms(): void {
  for (const [program, args, mend] of [
    [KONG, ['version'], 'install Kong 3.9, or name its command line in SLUICE_TEST_KONG_COMMAND'],
    ['wrk', ['-v'], 'install wrk'],
  ] as const) {
    try {
      execFileSync(program, [...args], { stdio: 'ignore' })
    } catch (error) {
      // wrk -v prints its version and ends with 1.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT')
        throw new Error(`${program} is missing: ${mend}`, { cause: error })
    }
  }
}

/** Answers every request with 200, as cheaply as a process can: it reads no more than the ends of the heads. */
export async function startUpstream(): Promise<{ port: number; close(): void }> {
  const answer = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: text/plain\r\n\r\nok')
  const server: Server = createServer({ noDelay: true }, socket => {
    socket.on('error', () => socket.destroy())
    socket.on('data', chunk => {
      let ends = 0
      for (let at = chunk.indexOf('\r\n\r\n'); at >= 0; at = chunk.indexOf('\r\n\r\n', at + 4)) ends++
      for (; ends > 0; ends--) socket.write(answer)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return { port, close: () => void server.close() }
}

export interface KongRun {
  readonly prefix: string
  readonly env: Readonly<Record<string, string>>
}

export function kong(command: 'start' | 'stop', { prefix, env }: KongRun): void {
  execFileSync(KONG, [command], {
    env: { ...process.env, ...env, KONG_PREFIX: prefix },
    stdio: 'pipe',
    encoding: 'utf8',
  })
}

/** CPU time of Kong's master and workers, or of another process and its children, in milliseconds. */
export const familyCpuMs = (pid: number): number => family(pid).reduce((sum, one) => sum + cpuMs(one), 0)

export const masterOf = ({ prefix }: KongRun): number =>
  Number(readFileSync(path.join(prefix, 'pids', 'nginx.pid'), 'utf8'))

export interface Load {
  readonly requests: number
  readonly requestsPerSecond: number
  /** Share of answers that were neither 2xx nor 3xx. */
  readonly otherShare: number
  readonly socketErrors: number
}

/** One run of wrk over loopback, one thread. */
export async function load(url: string, connections: number, seconds: number): Promise<Load> {
  // Not in step: the upstream answers from this process meanwhile.
  const { stdout: text } = await run('wrk', [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--timeout',
    '10s',
    '-H',
    'apikey: bench-key',
    url,
  ])
  const number = (pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? 0)
  const requests = number(/(\d+) requests in/)
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text)
  return {
    requests,
    requestsPerSecond: number(/Requests\/sec:\s+([\d.]+)/),
    otherShare: requests === 0 ? 1 : number(/Non-2xx or 3xx responses: (\d+)/) / requests,
    socketErrors: (errors?.slice(1) ?? []).reduce((sum, part) => sum + Number(part), 0),
  }
}
