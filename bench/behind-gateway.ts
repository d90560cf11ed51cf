/**
 * The plugin server of `sluice serve` behind a gateway, in a folder of their own. The gateway is `sluice gateway`;
 * SLUICE_BENCH_GATEWAY names another command, which gets the same KONG_* variables and stays in the foreground.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fetch } from 'undici'
import { freePorts } from '../ops/local/ports.ts'

const CLI = path.resolve(import.meta.dirname, '..', 'cli', 'sluice.js')

type Environment = Readonly<Record<string, string>>

export interface BehindGateway {
  /** Kong's declarative configuration. */
  readonly declaration: unknown
  /** Settings of the plugin server. */
  readonly env?: Environment
  /** Answers 200 as soon as everything is there. */
  readonly probe: string
}

export interface Platform {
  /** URL of the proxy, without a slash at its end. */
  readonly proxy: string
  close(): Promise<void>
}

export async function startBehindGateway({
  declaration,
  env: own = {},
  probe,
}: BehindGateway): Promise<Platform> {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'))
  const endings: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })]
  const close = async () => {
    for (const end of endings.splice(0).reverse()) await end()
  }
  try {
    const [proxyPort, adminPort] = (await freePorts(2)) as [number, number]
    const proxy = `http://127.0.0.1:${proxyPort}`
    const env: Environment = {
      ...(process.env as Environment),
      SLUICE_SOCKET: path.join(folder, 'sluice.sock'),
      SLUICE_SPOOL_DIR: path.join(folder, 'spool'),
      SLUICE_HTTP: 'off',
      SLUICE_FINGERPRINT_SECRET: 'a secret for the benchmark, 32 bytes',
      SLUICE_PROXY_URL: proxy,
      SLUICE_LOOPBACK_SECRET: 'another secret for the benchmark, 32 bytes',
      ...own,
    }
    endings.push(start(process.execPath, [CLI, 'serve'], env))
    const declared = path.join(folder, 'kong.json')
    writeFileSync(declared, JSON.stringify(declaration))
    const kong = {
      ...env,
      ...(await kongSettings(path.join(folder, 'dumps'), env)),
      KONG_DATABASE: 'off',
      KONG_DECLARATIVE_CONFIG: declared,
      KONG_PREFIX: path.join(folder, 'kong'),
      KONG_PROXY_LISTEN: `127.0.0.1:${proxyPort}`,
      KONG_ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
    }
    const gateway = process.env.SLUICE_BENCH_GATEWAY
    endings.push(
      gateway === undefined
        ? start(process.execPath, [CLI, 'gateway'], kong)
        : start('/bin/sh', ['-c', gateway], kong),
    )
    await ready(proxy + probe)
    return { proxy, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function kongSettings(dumps: string, env: Environment): Promise<Environment> {
  await output([CLI, 'dump', '--out', dumps], env)
  const text = await output([CLI, 'kong-conf', '--format', 'env', '--dump-dir', dumps], env)
  const lines = text.matchAll(/^(KONG_\w+)=(?:'(.*)'|(.*))$/gm)
  return Object.fromEntries([...lines].map(([, name, quoted, bare]) => [name!, quoted ?? bare!]))
}

async function output(args: readonly string[], env: Environment): Promise<string> {
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  for await (const chunk of child.stdout) text += String(chunk)
  return text
}

/** Gives the way to end it, with all that it has started. */
function start(command: string, args: readonly string[], env: Environment): () => Promise<void> {
  const child = spawn(command, args, { env, stdio: ['ignore', 'ignore', 'inherit'], detached: true })
  return async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    process.kill(-child.pid!, 'SIGTERM')
    await ended
  }
}

async function ready(url: string): Promise<void> {
  for (let i = 0; i < 300; i++) {
    const ok = await fetch(url).then(
      async answer => {
        await answer.text()
        return answer.status === 200
      },
      () => false,
    )
    if (ok) return
    await sleep(100)
  }
  throw new Error('the gateway did not answer within 30 s')
}
