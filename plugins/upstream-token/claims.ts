/** What a token says. */
import type { Consumer, Json, Route, Service } from '../../sdk/sdk.ts'
import type { TokenConfig } from './config.ts'

export const ANONYMOUS = 'anonymous'
/** A longer value is no user's id, and would make every request's head larger. */
const LONGEST_ACT_SUB = 256

/** The claims of a request that do not change from second to second. */
export interface Identity {
  readonly iss: string
  readonly aud: string
  readonly sub: string
  readonly act_sub?: string
  readonly route?: string
}

export type IdentityConfig = Pick<TokenConfig, 'issuer' | 'subject' | 'anonymous_consumers'>

export interface Asked {
  readonly audience: string
  readonly consumer: Consumer | undefined
  readonly actSub: string | undefined
  readonly route: string | undefined
}

export function identityOf(config: IdentityConfig, { audience, consumer, actSub, route }: Asked): Identity {
  return {
    iss: config.issuer,
    aud: audience,
    sub: subjectOf(config, consumer),
    ...(actSub !== undefined && { act_sub: actSub }),
    ...(route !== undefined && { route }),
  }
}

function subjectOf(config: IdentityConfig, consumer: Consumer | undefined): string {
  if (consumer === undefined) return ANONYMOUS
  const { id, username, customId } = consumer
  const nobody = config.anonymous_consumers
  if (nobody.includes(id) || (username !== undefined && nobody.includes(username))) return ANONYMOUS
  return { id, username, custom_id: customId }[config.subject] ?? id
}

/**
 * The user whom a JWT names: the first of `names` that it has as a non-empty string or a number.
 *
 * @param token as Kong's plugin `jwt` leaves it after it has verified it. Its signature is not checked here.
 */
export function actSubOf(token: Json | undefined, names: readonly string[]): string | undefined {
  if (typeof token !== 'string') return undefined
  const claims = readClaims(token)
  for (const name of names) {
    const value = claims[name]
    const text = typeof value === 'number' ? String(value) : value
    if (typeof text === 'string' && text !== '' && text.length <= LONGEST_ACT_SUB) return text
  }
  return undefined
}

function readClaims(token: string): Readonly<Record<string, unknown>> {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    return typeof claims === 'object' && claims !== null ? { ...claims } : {}
  } catch {
    return {}
  }
}

export const nameOfService = ({ name, host }: Service): string => name ?? host
export const nameOfRoute = ({ name, id }: Route): string => name ?? id
