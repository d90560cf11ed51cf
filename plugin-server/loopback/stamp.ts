/**
 * The stamp of an internal request: a header that says who caused it, signed over what it belongs to. Pure; whether a
 * stamp was used before is for its reader to know.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { LoopbackOrigin } from '../../sdk/loopback.ts'

export const STAMP_HEADER = 'sluice-loopback'
/** How long a stamp is good for, milliseconds. */
export const STAMP_LIVES_MS = 5000

/** The request that carries it. */
export interface StampedRequest {
  readonly method: string
  /** Path with its query. */
  readonly target: string
  /** `credentialsDigest` of its headers. */
  readonly credentials: string
}

export interface Stamp extends LoopbackOrigin {
  readonly nonce: string
  /** Milliseconds since the epoch. */
  readonly expiresAtMs: number
}

export function writeStamp(secret: string, stamp: Stamp, request: StampedRequest): string {
  const fields = [stamp.nonce, stamp.expiresAtMs, stamp.depth, stamp.purpose, stamp.clientIp].join(' ')
  const text = Buffer.from(fields).toString('base64url')
  return `${text}.${signatureOf(secret, text, request).toString('base64url')}`
}

/** @returns undefined for a stamp that is not ours, has expired, or belongs to another request. */
export function readStamp(
  secret: string,
  header: string,
  request: StampedRequest,
  nowMs: number,
): Stamp | undefined {
  const [text = '', given = ''] = header.split('.')
  const expected = signatureOf(secret, text, request)
  const signature = Buffer.from(given, 'base64url')
  if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) return undefined
  const [nonce = '', expiresAt, depth, purpose, clientIp = ''] = Buffer.from(text, 'base64url')
    .toString()
    .split(' ')
  const expiresAtMs = Number(expiresAt)
  if (!(nowMs < expiresAtMs) || expiresAtMs - nowMs > STAMP_LIVES_MS * 2) return undefined
  return { nonce, expiresAtMs, depth: Number(depth), purpose: purpose as Stamp['purpose'], clientIp }
}

function signatureOf(secret: string, text: string, { method, target, credentials }: StampedRequest): Buffer {
  return createHmac('sha256', secret)
    .update(JSON.stringify([text, method, target, credentials]))
    .digest()
}

/** Headers that say who the client is; key-auth's own default name is among them. */
const CREDENTIALS = ['authorization', 'cookie', 'proxy-authorization', 'apikey']

export function credentialsDigest(headers: Readonly<Record<string, unknown>>): string {
  const values = CREDENTIALS.map(name => headers[name] ?? null)
  return createHash('sha256').update(JSON.stringify(values)).digest('base64url')
}
