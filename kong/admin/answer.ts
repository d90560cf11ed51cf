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

/** Codes of failures before a request was sent. */
const NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** No answer came: refused, reset, timed out. */
export class AdminUnreachable extends SluiceError {
  /** The request may have reached Kong: whether it did what was asked is unknown. */
  readonly wasSent: boolean

  constructor(message: string, cause?: unknown) {
    super('SLUICE_ADMIN_UNREACHABLE', message, { cause })
    this.name = 'AdminUnreachable'
    this.wasSent = !NOT_SENT.has(String((cause as { code?: unknown } | undefined)?.code))
  }
}

/** Something answers there, but not Kong's Admin API. */
export const noAdminApi = (url: string, path: string): SluiceError =>
  new SluiceError(
    'SLUICE_ADMIN_WRONG',
    `${url}${path} is not found: this is not Kong's Admin API (its proxy, or a wrong path?)`,
  )

/** Whether the same request may succeed when it is sent again. */
export const isTransient = (error: unknown): boolean =>
  error instanceof AdminUnreachable || (error instanceof AdminRefused && error.isTransient)

/**
 * Whether Kong may have done what was asked, or may still do it. A real Kong answers 500 after its pg_timeout while
 * PostgreSQL waits for a locked row, and the row is written when the lock is gone.
 */
export const isUncertain = (error: unknown): boolean =>
  error instanceof AdminUnreachable
    ? error.wasSent
    : !(error instanceof AdminRefused) || error.status >= 500 || error.status === 408
