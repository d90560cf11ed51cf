import type { Consumer } from '../../entities/entities.ts'
import { toBytes } from '../pdk/text.ts'
import type { Credential, Exchange } from '../proxy/exchange.ts'

/** Why a request is refused. */
export interface Denial {
  readonly status: number
  readonly message: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Names the consumer and the credential to the upstream, over whatever the client sent. */
export function authenticate(
  exchange: Exchange,
  consumer: Consumer | undefined,
  credential: Credential | undefined,
  identifier: string | undefined,
): void {
  exchange.consumer = consumer
  exchange.credential = credential
  const { headers } = exchange
  const put = (name: string, value: string | null | undefined) =>
    value ? headers.set(name, toBytes(value)) : headers.delete(name)
  put('X-Consumer-ID', consumer?.id)
  put('X-Consumer-Custom-ID', consumer?.custom_id)
  put('X-Consumer-Username', consumer?.username)
  put('X-Credential-Identifier', identifier)
  put('X-Anonymous-Consumer', credential ? undefined : 'true')
}

/** The consumer that stands in when nobody could be authenticated: an id or a user name. */
export function authenticateAnonymous(exchange: Exchange, anonymous: string): void {
  const { lookup } = exchange
  const consumer = lookup.get('consumers', anonymous) ?? lookup.find('consumers', 'username', anonymous)
  authenticate(exchange, consumer, undefined, undefined)
}

/**
 * Checks a request, and answers it where it is denied. With an anonymous consumer one of several authentication
 * plugins is enough, and whoever passes none of them is anonymous.
 */
export function authenticateOr(
  exchange: Exchange,
  anonymous: string | null,
  check: () => Denial | undefined,
): void {
  if (anonymous !== null && exchange.credential) return
  const denial = check()
  if (!denial) return
  if (anonymous !== null) authenticateAnonymous(exchange, anonymous)
  else exchange.respondError(denial.status, denial.message, denial.headers)
}
