import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Problem } from './problem.ts'

export const ROLES = ['viewer', 'editor', 'admin'] as const

/** Each may what those before it may. */
export type Role = (typeof ROLES)[number]

/** Who asks. */
export interface Operator {
  readonly id: string
  readonly name: string
  readonly role: Role
  /** By what the request was authenticated. */
  readonly via: 'token' | 'session'
  /** The session's id, where it is one. */
  readonly sessionId?: string
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may use the route; every route says so. */
    readonly access?: Role | 'public'
  }
  interface FastifyRequest {
    /** Undefined on public routes. */
    operator: Operator | undefined
  }
}

export const hasRole = ({ role }: Operator, wanted: Role): boolean =>
  ROLES.indexOf(role) >= ROLES.indexOf(wanted)

/** Finds who asks. @throws Problem SLUICE_MANAGER_UNAUTHENTICATED */
export type Authenticate = (request: FastifyRequest) => Promise<Operator>

/** Lets no request to a handler before its operator is known and may; a route without `access` stops the start. */
export function guardRoutes(
  app: FastifyInstance,
  authenticate: Authenticate,
  onRefused: (request: FastifyRequest, problem: Problem) => void,
): void {
  app.decorateRequest('operator', undefined)
  app.addHook('onRoute', route => {
    if (route.config?.access === undefined)
      throw new Error(`the route ${String(route.method)} ${route.url} does not say who may use it`)
  })
  app.addHook('onRequest', async request => {
    const access = request.routeOptions.config.access ?? 'viewer'
    if (access === 'public' || request.is404) return
    try {
      const operator = await authenticate(request)
      request.operator = operator
      if (!hasRole(operator, access))
        throw new Problem(
          'SLUICE_MANAGER_FORBIDDEN',
          `${operator.name} is ${operator.role}; this takes ${access}`,
        )
    } catch (error) {
      if (error instanceof Problem) onRefused(request, error)
      throw error
    }
  })
}

/** The operator of a request that was let through. */
export function operatorOf(request: FastifyRequest): Operator {
  if (!request.operator) throw new Error('the route is public')
  return request.operator
}
