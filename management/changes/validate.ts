import { AdminRefused } from '../../kong/admin/answer.ts'
import type { AdminRequests } from '../../kong/reconcile/steps/steps.ts'
import { faultsOfRefusal } from './fault.ts'
import type { PlanParts } from './plan-state.ts'

/** Asks Kong about plugins: some of their checks are Lua, which no schema holds. */
export function validateByKong(kong: Pick<AdminRequests, 'request'>): NonNullable<PlanParts['validate']> {
  return async (kind, body, pointer) => {
    if (kind !== 'plugins') return []
    try {
      await kong.request('POST', '/schemas/plugins/validate', withoutNulls(body))
      return []
    } catch (error) {
      if (error instanceof AdminRefused && error.status < 500 && error.status !== 404)
        return faultsOfRefusal(error, pointer)
      throw error
    }
  }
}

/** At the top only: a null within a configuration may mean something. */
const withoutNulls = (body: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null))
