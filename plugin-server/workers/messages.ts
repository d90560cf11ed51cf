/** Messages between the parent and its workers. */
import type { Settings } from '../../foundation/settings.ts'

/** The descriptor under which a worker inherits the listening socket: behind the standard ones and the channel. */
export const SOCKET_FD = 4

export interface KnownInstance {
  readonly id: number
  readonly name: string
  /** JSON as Kong sent it. */
  readonly config: string
}

export type ToWorker =
  | {
      readonly kind: 'begin'
      readonly worker: number
      readonly settings: Settings
      readonly folders: readonly string[]
      /** Started before this worker was. */
      readonly instances: readonly KnownInstance[]
    }
  | ({ readonly kind: 'adopt'; readonly call: number } & KnownInstance)
  | { readonly kind: 'forget'; readonly ids: readonly number[] }
  /** The answer to `start`: the id, or why there is none. */
  | { readonly kind: 'started'; readonly call: number; readonly id: number }
  | { readonly kind: 'refused'; readonly call: number; readonly reason: string }
  | { readonly kind: 'report'; readonly call: number }
  | { readonly kind: 'drain'; readonly succeeded: boolean }

export type FromWorker =
  | { readonly kind: 'ready'; readonly plugins: readonly string[]; readonly store: string }
  | { readonly kind: 'failed'; readonly code: string | undefined; readonly message: string }
  | {
      readonly kind: 'start'
      readonly call: number
      readonly name: string
      readonly config: string
      readonly key: string
      readonly entity: string
    }
  | { readonly kind: 'adopted'; readonly call: number; readonly refusal: string | undefined }
  | { readonly kind: 'close'; readonly id: number }
  /** Once a minute: when each instance last had an event, milliseconds since the epoch. */
  | { readonly kind: 'used'; readonly times: readonly (readonly [id: number, atMs: number])[] }
  /** The answer to `report`: the metrics, and what is wrong. */
  | {
      readonly kind: 'reported'
      readonly call: number
      readonly metrics: unknown
      readonly problems: readonly string[]
      readonly warnings: readonly string[]
    }
