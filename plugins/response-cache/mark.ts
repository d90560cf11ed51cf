/**
 * What a request that fetches an answer carries from the access phase to the response phase, which another process may
 * serve: in Kong's context of the request, or, for a call through the proxy, in a header of it.
 */

/** A request whose answer may be stored. */
export interface FillMark {
  readonly kind: 'fill'
  /** Under which others wait for it. */
  readonly flight: string
  readonly primary: string
  readonly path: string
  /** Of the client's request, as the service is told it. */
  readonly scheme: string
  readonly host: string
  readonly target: string
  readonly generation: string
  readonly sequence: number
  readonly token: string
  /** When it was asked for, milliseconds since the epoch. */
  readonly startedAtMs: number
  /** The stored answer that a 304 would make fresh again. */
  readonly revalidates?: string
}

/** A request that may have changed what is stored for its path. */
export interface InvalidateMark {
  readonly kind: 'invalidate'
  readonly host: string
  readonly path: string
}

export type Mark = FillMark | InvalidateMark

/** In `kong.ctx.shared`. */
export const MARK = 'sluice_cache'
/** Of a call through the proxy; believed only where that is recognised as ours. */
export const FILL_HEADER = 'sluice-cache-fill'

export const writeMark = (mark: Mark): string => JSON.stringify(mark)

export function readMark(text: unknown): Mark | undefined {
  if (typeof text !== 'string') return undefined
  try {
    const mark = JSON.parse(text) as Mark
    return mark.kind === 'fill' || mark.kind === 'invalidate' ? mark : undefined
  } catch {
    return undefined
  }
}

export const toHeader = (mark: FillMark): string => Buffer.from(writeMark(mark)).toString('base64url')
export const fromHeader = (value: unknown): Mark | undefined =>
  typeof value === 'string' ? readMark(Buffer.from(value, 'base64url').toString()) : undefined
