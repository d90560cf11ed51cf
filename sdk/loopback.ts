/**
 * Calls through Kong's own proxy, so that authentication, limits and every other plugin apply to them: a cached answer
 * that is refreshed, the parts of an aggregate.
 */
import type { HeaderMap } from '../protocol/pdk/entities.ts'

/** What an internal request is for: plugins treat a refresh of a cache differently from a part that a client waits for. */
export type LoopbackPurpose = 'refresh' | 'part'

export interface LoopbackRequest {
  readonly purpose: LoopbackPurpose
  /** Path with its query on Kong's proxy, never a URL. */
  readonly target: string
  /** GET by default. */
  readonly method?: string
  /** Beside those of the client's request, which go along: its credentials, Host, and whatever describes no body. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** Milliseconds, the body included; 1,000 by default. */
  readonly timeoutMs?: number
}

/** As Kong answered: nothing is decoded, no redirect is followed. */
export interface LoopbackAnswer {
  readonly status: number
  readonly headers: HeaderMap
  readonly body: Uint8Array
}

/** An internal request, as the plugins on its way see it. */
export interface LoopbackOrigin {
  readonly purpose: LoopbackPurpose
  /** The address of the client whose request caused it. */
  readonly clientIp: string
  /** 1 for one that a client's request caused, 2 for one that such a request caused. */
  readonly depth: number
}
