import { messageOf, SluiceError } from '../../foundation/errors.ts'
import type { Agent, Dispatcher } from '../../foundation/undici.ts'
import type { Fetch, FetchAnswer, FetchOptions } from '../../sdk/fetch.ts'
import type { LoopbackAnswer } from '../../sdk/loopback.ts'

const DEFAULT_TIMEOUT_MS = 1000
const CONNECTIONS_PER_ORIGIN = 32
const MAX_IN_FLIGHT = 512
const MAX_BODY_BYTES = 16 * 1024 * 1024

export interface CallOptions {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array | undefined
  readonly timeoutMs: number
}

export interface Fetcher {
  readonly fetch: Fetch
  /** Sends what it is given, Host included; the body comes as it was sent. Limits and errors are those of `fetch`. */
  readonly call: (url: string, options: CallOptions) => Promise<LoopbackAnswer>
  /** Ends its connections; calls under way fail. */
  close(): Promise<void>
}

interface Opened {
  readonly undici: typeof import('../../foundation/undici.ts')
  readonly agent: Agent
}

/** One a process. undici is loaded at the first call: it takes longer to open than all else that a start does. */
export function createFetcher(): Fetcher {
  let opening: Promise<Opened> | undefined
  let inFlight = 0
  const bounded = async <T>(url: string | URL, work: (opened: Opened) => Promise<T>): Promise<T> => {
    if (inFlight >= MAX_IN_FLIGHT)
      throw new SluiceError('SLUICE_FETCH_FAILED', `${originOf(url)}: ${inFlight} calls are in flight`)
    inFlight++
    try {
      opening ??= open()
      return await work(await opening)
    } finally {
      inFlight--
    }
  }
  return {
    fetch: (url, options = {}) => bounded(url, opened => fetchWith(opened, url, options)),
    call: (url, options) => bounded(url, opened => callWith(opened, url, options)),
    async close() {
      await (await opening)?.agent.destroy()
    },
  }
}

async function open(): Promise<Opened> {
  const undici = await import('../../foundation/undici.ts')
  const agent = new undici.Agent({
    connections: CONNECTIONS_PER_ORIGIN,
    pipelining: 1,
    maxResponseSize: MAX_BODY_BYTES,
  })
  return { undici, agent }
}

async function fetchWith(
  { undici, agent }: Opened,
  url: string | URL,
  { timeoutMs = DEFAULT_TIMEOUT_MS, redirect = 'manual', method, headers, body }: FetchOptions,
): Promise<FetchAnswer> {
  try {
    return await undici.fetch(url, {
      dispatcher: agent,
      // It ends the reading of the body, too.
      signal: AbortSignal.timeout(timeoutMs),
      redirect,
      ...(method !== undefined && { method }),
      ...(headers !== undefined && { headers }),
      ...(body !== undefined && { body }),
    })
  } catch (error) {
    throw failure(url, timeoutMs, error)
  }
}

async function callWith(
  { undici, agent }: Opened,
  url: string,
  { method, headers, body, timeoutMs }: CallOptions,
): Promise<LoopbackAnswer> {
  // AbortSignal.timeout would make its error, with a stack, for every call that was answered in time as well.
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(TIMEOUT), timeoutMs)
  try {
    const answer = await undici.request(url, {
      dispatcher: agent,
      signal: controller.signal,
      method: method as Dispatcher.HttpMethod,
      headers,
      body: body ?? null,
    })
    return {
      status: answer.statusCode,
      headers: Object.fromEntries(Object.entries(answer.headers).map(([name, value = '']) => [name, value])),
      body: new Uint8Array(await answer.body.arrayBuffer()),
    }
  } catch (error) {
    throw failure(url, timeoutMs, error)
  } finally {
    clearTimeout(timer)
  }
}

/** As `AbortSignal.timeout` names it. */
const TIMEOUT = { name: 'TimeoutError' }

function failure(url: string | URL, timeoutMs: number, error: unknown): SluiceError {
  const { name, cause } = error as { name?: string; cause?: unknown }
  if (name === 'TimeoutError')
    return new SluiceError('SLUICE_FETCH_TIMEOUT', `${originOf(url)} did not answer within ${timeoutMs} ms`)
  const reason = messageOf(cause ?? error)
  return new SluiceError('SLUICE_FETCH_FAILED', `${originOf(url)}: ${reason}`, { cause: error })
}

/** Without path and query, which may hold what no log should. */
function originOf(url: string | URL): string {
  try {
    return new URL(url).origin
  } catch {
    return 'an invalid URL'
  }
}
