import { spawn } from 'node:child_process'
import path from 'node:path'
import { freePort } from './ports.ts'

const CONTRACT = path.resolve(import.meta.dirname, '../../../test/contract')

export interface Replayed {
  /** 0: every answer was as recorded. */
  readonly code: number | null
  /** What differed. */
  readonly output: string
}

/**
 * Replays a scenario of `test/contract` against a gateway and compares with what Kong answered.
 *
 * @param settleMs wait between a change and the next request to the proxy
 */
export async function replayScenario(
  urls: { readonly adminUrl: string; readonly proxyUrl: string },
  folder: string,
  scenario: string,
  settleMs = 0,
): Promise<Replayed> {
  const child = spawn(
    process.execPath,
    [
      path.join(CONTRACT, 'kong-reference/replay.mjs'),
      '--compare',
      path.join(CONTRACT, folder, 'answers'),
      path.join(CONTRACT, folder, 'scenarios', `${scenario}.json`),
    ],
    {
      env: {
        ADMIN_URL: urls.adminUrl,
        PROXY_URL: urls.proxyUrl,
        SETTLE_MS: String(settleMs),
        UPSTREAM_PORT: String(await freePort()),
        // Without it the script leaves scenarios of a Kong without a database out.
        ...(scenario.startsWith('dbless-') && { KONG_DATABASE: 'off' }),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const code = await new Promise<number | null>(resolve => child.on('close', resolve))
  return { code, output }
}
