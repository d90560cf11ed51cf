import { timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import type { Authenticate, Operator } from '../http/access.ts'
import { Problem } from '../http/problem.ts'
import { type BrowserAccess, CSRF_HEADER, isUnsafe } from './browser.ts'
import type { Operators } from './operators.ts'
import type { Session, Sessions } from './sessions.ts'

export interface AuthenticationParts {
  readonly operators: Operators
  readonly sessions: Sessions
  readonly browser: BrowserAccess
}

/** By the bearer token of a request (RFC 6750), else by the cookie of a session. */
export function authenticateBy({ operators, sessions, browser }: AuthenticationParts): Authenticate {
  return async request => {
    const token = bearerOf(request)
    if (token !== undefined) return byToken(operators, token)
    const secret = request.cookies[browser.cookieName]
    if (secret === undefined) throw unauthenticated('the request bears neither a token nor a session')
    const session = await sessions.bySecret(secret)
    if (!session) throw unauthenticated('the session is unknown, has expired or was ended')
    if (isUnsafe(request)) {
      browser.checkOrigin(request)
      checkCsrf(request, session)
    }
    return session.operator
  }
}

async function byToken(operators: Operators, token: string): Promise<Operator> {
  const operator = await operators.byToken(token)
  if (!operator) throw unauthenticated('the token is unknown, expired or revoked', 'error="invalid_token"')
  return operator
}

/** Cookies ignore ports, so that pages of other services of the host count as the same site. */
function checkCsrf({ headers }: FastifyRequest, { csrf }: Session): void {
  const given = Buffer.from(String(headers[CSRF_HEADER] ?? ''))
  const wanted = Buffer.from(csrf)
  if (given.length === wanted.length && timingSafeEqual(given, wanted)) return
  throw new Problem(
    'SLUICE_MANAGER_ORIGIN',
    given.length === 0
      ? 'the header X-CSRF-Token is missing; a session needs it for what changes something'
      : 'the header X-CSRF-Token is not the one of this session',
  )
}

const unauthenticated = (detail: string, parameter = '') =>
  new Problem('SLUICE_MANAGER_UNAUTHENTICATED', detail, {
    headers: {
      'www-authenticate': `Bearer realm="sluice manager"${parameter === '' ? '' : `, ${parameter}`}`,
    },
  })

function bearerOf({ headers }: FastifyRequest): string | undefined {
  const match = /^bearer +([\w~+/.=-]+)$/i.exec(headers.authorization ?? '')
  return match?.[1]
}
