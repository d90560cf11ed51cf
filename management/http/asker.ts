import type { FastifyRequest } from 'fastify'
import { isObject } from '../../kong/schema/spec.ts'
import { operatorOf } from './access.ts'
import { Problem } from './problem.ts'

const LONGEST_REASON = 1_000

/** Who asks, and why: `reason` in the body of a change, or the header `Sluice-Reason`. */
export function askerOf(request: FastifyRequest) {
  const { id, name } = operatorOf(request)
  const inBody = isObject(request.body) ? request.body.reason : undefined
  const reason = inBody ?? request.headers['sluice-reason']
  return {
    operatorId: id,
    actor: name,
    reason: typeof reason === 'string' ? reason.slice(0, LONGEST_REASON) : null,
  }
}

/** What a request came by, and what makes it the same as another one. */
export function identityOf(request: FastifyRequest, asked: unknown) {
  const key = request.headers['idempotency-key']
  const origin = `${request.method} ${request.url.replace(/\?.*$/s, '')}`
  if (typeof key !== 'string') return { origin }
  if (!/^[\x21-\x7e]{1,255}$/.test(key))
    throw new Problem(
      'SLUICE_MANAGER_MALFORMED',
      'Idempotency-Key: must be 1 to 255 printable ASCII characters without spaces',
    )
  return { origin, idempotencyKey: key, fingerprint: [origin, asked] }
}
