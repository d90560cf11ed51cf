import type { FastifyRequest } from 'fastify'
import type { Authenticate } from '../http/access.ts'
import { Problem } from '../http/problem.ts'
import type { Operators } from './operators.ts'

/** By the bearer token of a request (RFC 6750). */
export function authenticateBy(operators: Operators): Authenticate {
  return async request => {
    const token = bearerOf(request)
    if (token === undefined) throw unauthenticated('the request bears no token')
    const operator = await operators.byToken(token)
    if (!operator) throw unauthenticated('the token is unknown, expired or revoked', 'error="invalid_token"')
    return operator
  }
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
