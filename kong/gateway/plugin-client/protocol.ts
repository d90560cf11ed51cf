import type { PdkEvent, PdkHost } from '../pdk/call.ts'

/** How an event ended, as Kong sees it. */
export type EventOutcome =
  | { readonly kind: 'ended' }
  /** The plugin ended the request: Kong never answers it. */
  | { readonly kind: 'exited' }
  /** A call raised in Kong: the request fails, and the plugin server hears no more of it. */
  | { readonly kind: 'raised'; readonly error: string }
  /** The plugin server, or the way to it, failed. */
  | { readonly kind: 'failed'; readonly error: string }

export const ENDED: EventOutcome = { kind: 'ended' }
export const EXITED: EventOutcome = { kind: 'exited' }

export interface ProtocolOptions {
  /** Its name. */
  readonly plugin: string
  readonly socketPath: string
  /** How long an idle connection is kept, and how long an answer is waited for. */
  readonly patienceMs: number
  readonly host: PdkHost
}

/** Kong's side of one of the two protocols. */
export interface PluginProtocol {
  /**
   * @param config JSON, as Kong sends it.
   * @throws Error whose message is the failure in Kong's words.
   */
  startInstance(config: string): Promise<number>
  closeInstance(instanceId: number): Promise<void>
  handleEvent(instanceId: number, event: PdkEvent): Promise<EventOutcome>
  /** Whether Kong repeats an event that failed so, after it forgot the plugin's instances. */
  isRepeated(error: string): boolean
  /** What becomes of the request when an event fails: Kong answers 500, or lets it pass. */
  readonly failsClosed: boolean
  close(): void
}
