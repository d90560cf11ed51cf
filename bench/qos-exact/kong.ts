/** A real Kong with its own rate-limiting plugin: as many workers as there are plugin servers elsewhere, one Redis. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Client as HttpClient } from 'undici'
import { freePorts } from '../../ops/local/ports.ts'
import { family } from '../../ops/local/processes.ts'
import { kong, masterOf } from '../kong/processes.ts'
import type { Route, Target } from './target.ts'

export interface KongOptions {
  readonly workers: number
  readonly routes: readonly Route[]
  readonly redisUrl: string
  readonly onSpawn: (pid: number) => void
}

export async function startKong({ workers, routes, redisUrl, onSpawn }: KongOptions): Promise<Target> {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'))
  const [port = 0] = await freePorts(1)
  const declaration = path.join(folder, 'kong.json')
  writeFileSync(declaration, JSON.stringify(declare(routes, redisUrl)))
  const run = {
    prefix: path.join(folder, 'prefix'),
    env: {
      KONG_DATABASE: 'off',
      KONG_DECLARATIVE_CONFIG: declaration,
      KONG_NGINX_WORKER_PROCESSES: String(workers),
      KONG_PROXY_LISTEN: `127.0.0.1:${port} reuseport`,
      KONG_ADMIN_LISTEN: 'off',
      KONG_ADMIN_GUI_LISTEN: 'off',
      KONG_STATUS_LISTEN: 'off',
      KONG_ANONYMOUS_REPORTS: 'off',
      KONG_LOG_LEVEL: 'crit',
      KONG_PROXY_ACCESS_LOG: 'off',
      ...(process.getuid?.() === 0 && { KONG_NGINX_USER: 'root root' }),
    },
  }
  kong('start', run)
  for (const pid of family(masterOf(run))) onSpawn(pid)
  return {
    async open(route) {
      const client = new HttpClient(`http://127.0.0.1:${port}`)
      return {
        isOpen: true,
        async send() {
          try {
            const { statusCode, body } = await client.request({ method: 'GET', path: `/${route.name}` })
            await body.dump()
            return statusCode === 200 ? 'admitted' : statusCode === 429 ? 'rejected' : 'failed'
          } catch {
            return 'failed'
          }
        },
        close: () => void client.destroy(),
      }
    },
    async close() {
      kong('stop', run)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Answers come from Kong itself: no upstream is measured. */
function declare(routes: readonly Route[], redisUrl: string): object {
  const { hostname: host, port, password } = new URL(redisUrl)
  const redis = {
    host,
    port: Number(port),
    ...(password !== '' && { password: decodeURIComponent(password) }),
  }
  return {
    _format_version: '3.0',
    services: [
      {
        name: 'nowhere',
        url: 'http://127.0.0.1:9',
        plugins: [{ name: 'request-termination', config: { status_code: 200 } }],
        routes: routes.map(({ name, requests }) => ({
          name,
          paths: [`/${name}`],
          plugins: [
            { name: 'rate-limiting', config: { policy: 'redis', limit_by: 'ip', hour: requests, redis } },
          ],
        })),
      },
    ],
  }
}
