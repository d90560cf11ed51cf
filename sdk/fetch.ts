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

/**
 * Calls a URL over connections that are kept and shared by all plugins of the process: 32 an origin, 512 calls at
 * once, bodies up to 16 MiB.
 *
 * A phase has a deadline of its own, which `timeoutMs` should be below.
 *
 * @throws SluiceError SLUICE_FETCH_TIMEOUT; SLUICE_FETCH_FAILED for a connection that fails, or too many calls at once
 */
export type Fetch = (url: string | URL, options?: FetchOptions) => Promise<Response>
