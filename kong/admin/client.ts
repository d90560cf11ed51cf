import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { Pool } from '../../foundation/undici.ts'
import { AdminRefused, AdminUnreachable } from './answer.ts'

export type Row = Readonly<Record<string, unknown>>

/** PEM texts. */
export interface TlsOptions {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  /** false: any certificate is accepted. */
  readonly rejectUnauthorized?: boolean
}

export interface AdminClientOptions {
  /** `http://127.0.0.1:8001`; a path is kept as a prefix. User and password become Basic credentials. */
  readonly url: string
  /** Sent with each request, for instance a token that a proxy in front of Kong asks for. */
  readonly headers?: Readonly<Record<string, string>>
  /** Concurrent connections; default: 10. */
  readonly connections?: number
  /** Of an `https:` URL. */
  readonly tls?: TlsOptions
  /** Timeout of one request, milliseconds; default: 15,000. */
  readonly timeoutMs?: number
  /** This machine's clock, milliseconds since the epoch; default: the system's. */
  readonly clock?: () => number
}

export interface RequestCounts {
  readonly reads: number
  readonly writes: number
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** The largest page that Kong gives. */
const PAGE_SIZE = 1000

/** Kong's Admin API over kept-alive connections. One request, one answer: repeating is the caller's business. */
export class AdminClient {
  /** The Admin API, without user information. */
  readonly url: string
  readonly #pool: Pool
  readonly #prefix: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #clock: () => number
  readonly #timeoutMs: number
  /** How far Kong's clock is ahead of ours, milliseconds, by the `Date` of its last answer. */
  #aheadMs = 0
  #reads = 0
  #writes = 0

  /** @throws SluiceError SLUICE_CLI_USAGE when it is not a URL. */
  constructor(options: AdminClientOptions) {
    const url = parseUrl(options.url)
    const timeoutMs = options.timeoutMs ?? 15_000
    this.#timeoutMs = timeoutMs
    this.#pool = new Pool(url.origin, {
      connections: options.connections ?? 10,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      connect: { timeout: timeoutMs, ...options.tls },
    })
    this.#clock = options.clock ?? Date.now
    this.#prefix = url.pathname.replace(/\/$/, '')
    this.#headers = { ...options.headers, ...credentialsOf(url) }
    this.url = `${url.origin}${this.#prefix}`
  }

  /** Requests that were sent so far, repeated ones included. */
  get requests(): RequestCounts {
    return { reads: this.#reads, writes: this.#writes }
  }

  /** Seconds since the epoch by Kong's clock, which decides when an entity expires. */
  now(): number {
    return (this.#clock() + this.#aheadMs) / 1000
  }

  /**
   * Sends one request.
   *
   * @returns the parsed body; undefined for an empty one.
   * @throws AdminRefused for a status from 400 on; AdminUnreachable when no answer came.
   */
  async request(method: Method, path: string, body?: unknown): Promise<unknown> {
    if (method === 'GET') this.#reads++
    else this.#writes++
    const { status, text } = await this.#send(method, path, body)
    const parsed = parseBody(text)
    if (status >= 400) throw new AdminRefused(method, path, status, parsed)
    return parsed
  }

  /** The entity or answer at a path; undefined when there is none. */
  async find(path: string): Promise<Row | undefined> {
    try {
      return (await this.request('GET', path)) as Row
    } catch (error) {
      if (error instanceof AdminRefused && error.status === 404) return undefined
      throw error
    }
  }

  /** All entities of a collection, page by page; undefined when Kong has no such collection. */
  async list(path: string): Promise<readonly Row[] | undefined> {
    const rows: Row[] = []
    let offset: string | undefined
    do {
      const query = `size=${PAGE_SIZE}${offset === undefined ? '' : `&offset=${encodeURIComponent(offset)}`}`
      const page = await this.find(`${path}?${query}`)
      if (!page) return undefined
      rows.push(...((page.data ?? []) as readonly Row[]))
      offset = page.offset as string | undefined
    } while (offset !== undefined && offset !== null)
    return rows
  }

  async close(): Promise<void> {
    await this.#pool.destroy()
  }

  async #send(method: Method, path: string, body: unknown): Promise<{ status: number; text: string }> {
    try {
      const {
        statusCode,
        headers,
        body: stream,
      } = await this.#pool.request({
        method,
        path: `${this.#prefix}${path}`,
        headers: {
          accept: 'application/json',
          ...this.#headers,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        // undici's own timers count parts of a request, by the half second.
        signal: AbortSignal.timeout(this.#timeoutMs),
      })
      this.#noteTime(headers.date)
      return { status: statusCode, text: await stream.text() }
    } catch (error) {
      throw new AdminUnreachable(`no answer from the Admin API at ${this.url}: ${reasonOf(error)}`, error)
    }
  }

  #noteTime(date: string | string[] | undefined): void {
    const atMs = typeof date === 'string' ? Date.parse(date) : Number.NaN
    // A date has whole seconds: on average half of one has passed.
    if (!Number.isNaN(atMs)) this.#aheadMs = atMs + 500 - this.#clock()
  }
}

function parseUrl(text: string): URL {
  try {
    const url = new URL(text)
    if (url.protocol === 'http:' || url.protocol === 'https:') return url
  } catch {
    // Reported below, together with a wrong scheme.
  }
  throw new SluiceError('SLUICE_CLI_USAGE', `${JSON.stringify(text)} is not the URL of an Admin API`)
}

function credentialsOf({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
}

function parseBody(text: string): unknown {
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    return { message: text.slice(0, 200) }
  }
}

function reasonOf(error: unknown): string {
  const { code, errors } = error as { code?: string; errors?: readonly unknown[] }
  // OpenSSL's own words are of its source files.
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER') return 'it does not speak TLS there; is it http:// ?'
  // An AggregateError (several addresses were tried) has no message of its own.
  return messageOf(error) || (errors?.[0] === undefined ? (code ?? 'unknown') : messageOf(errors[0]))
}
