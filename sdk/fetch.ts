/** `host.fetch`: calls to other services, since Kong offers plugins none. */
export interface FetchOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** How long the call may take, with its body, milliseconds; 1,000 by default. */
  readonly timeoutMs?: number
  /** What becomes of a redirect; `manual` by default, so that the address stays the one that was asked for. */
  readonly redirect?: 'follow' | 'error' | 'manual'
}

/** What a service answered; the parts of a `Response` that a plugin needs. */
export interface FetchAnswer {
  readonly status: number
  /** 200 to 299. */
  readonly ok: boolean
  readonly headers: { get(name: string): string | null; has(name: string): boolean }
  text(): Promise<string>
  json(): Promise<unknown>
  arrayBuffer(): Promise<ArrayBuffer>
}

/**
 * Calls a URL over connections that are kept and shared by all plugins of the process: 32 an origin, 512 calls at
 * once, bodies up to 16 MiB.
 *
 * A phase has a deadline of its own, which `timeoutMs` should be below.
 *
 * @throws SluiceError SLUICE_FETCH_TIMEOUT; SLUICE_FETCH_FAILED for a connection that fails, or too many calls at once
 */
export type Fetch = (url: string | URL, options?: FetchOptions) => Promise<FetchAnswer>
