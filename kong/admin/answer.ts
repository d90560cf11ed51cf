import { SluiceError } from '../../foundation/errors.ts'

/** Kong's own form of a refusal. */
export interface KongRefusal {
  readonly message?: string
  readonly name?: string
  readonly code?: number
  readonly fields?: unknown
}

/** Kong answered, and the answer was no. */
export class AdminRefused extends SluiceError {
  readonly status: number
  readonly refusal: KongRefusal

  constructor(method: string, path: string, status: number, body: unknown) {
    const refusal = (typeof body === 'object' && body !== null ? body : {}) as KongRefusal
    super('SLUICE_ADMIN_REFUSED', `${method} ${path}: ${status} ${refusal.message ?? 'without a reason'}`, {
      details: { status, ...refusal },
    })
    this.name = 'AdminRefused'
    this.status = status
    this.refusal = refusal
  }

  /** The same request may succeed later: the server was overloaded or failed by itself. */
  get isTransient(): boolean {
    return this.status >= 500 || this.status === 429 || this.status === 408
  }

  /** Another entity has the same id, or a value that must be unique (Kong's error codes 3 and 5). */
  get isDuplicate(): boolean {
    return this.refusal.code === 3 || this.refusal.code === 5
  }
}

/** No answer came: refused, reset, timed out. Whether Kong did what was asked is unknown. */
export class AdminUnreachable extends SluiceError {
  constructor(message: string, cause?: unknown) {
    super('SLUICE_ADMIN_UNREACHABLE', message, { cause })
    this.name = 'AdminUnreachable'
  }
}

/** Whether the same request may succeed when it is sent again. */
export const isTransient = (error: unknown): boolean =>
  error instanceof AdminUnreachable || (error instanceof AdminRefused && error.isTransient)
