import type { Agent } from 'undici'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import type { Fetch, FetchOptions } from '../../sdk/fetch.ts'

const DEFAULT_TIMEOUT_MS = 1000
const CONNECTIONS_PER_ORIGIN = 32
const MAX_IN_FLIGHT = 512
const MAX_BODY_BYTES = 16 * 1024 * 1024

export interface Fetcher {
  readonly fetch: Fetch
  /** Ends its connections; calls under way fail. */
  close(): Promise<void>
}

type Undici = typeof import('undici')

/** One a process. undici is loaded at the first call: it takes longer to open than all else that a start does. */
export function createFetcher(): Fetcher {
  let opening: Promise<{ readonly undici: Undici; readonly agent: Agent }> | undefined
  let inFlight = 0
  const open = async () => {
    const undici = await import('undici')
    const agent = new undici.Agent({
      connections: CONNECTIONS_PER_ORIGIN,
      pipelining: 1,
      maxResponseSize: MAX_BODY_BYTES,
    })
    return { undici, agent }
  }
  return {
    async fetch(url, options = {}) {
      if (inFlight >= MAX_IN_FLIGHT)
        throw new SluiceError('SLUICE_FETCH_FAILED', `${originOf(url)}: ${inFlight} calls are in flight`)
      inFlight++
      try {
        opening ??= open()
        return await call(await opening, url, options)
      } finally {
        inFlight--
      }
    },
    async close() {
      await (await opening)?.agent.destroy()
    },
  }
}

async function call(
  { undici, agent }: { readonly undici: Undici; readonly agent: Agent },
  url: string | URL,
  { timeoutMs = DEFAULT_TIMEOUT_MS, redirect = 'manual', method, headers, body }: FetchOptions,
): Promise<Response> {
  try {
    const answer = await undici.fetch(url, {
      dispatcher: agent,
      // It ends the reading of the body, too.
      signal: AbortSignal.timeout(timeoutMs),
      redirect,
      ...(method !== undefined && { method }),
      ...(headers !== undefined && { headers }),
      ...(body !== undefined && { body }),
    })
    return answer as unknown as Response
  } catch (error) {
    if ((error as { name?: string }).name === 'TimeoutError')
      throw new SluiceError('SLUICE_FETCH_TIMEOUT', `${originOf(url)} did not answer within ${timeoutMs} ms`)
    const { cause } = error as { cause?: unknown }
    throw new SluiceError('SLUICE_FETCH_FAILED', `${originOf(url)}: ${messageOf(cause ?? error)}`, {
      cause: error,
    })
  }
}

/** Without path and query, which may hold what no log should. */
function originOf(url: string | URL): string {
  try {
    return new URL(url).origin
  } catch {
    return 'an invalid URL'
  }
}
