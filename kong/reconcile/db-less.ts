import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { isTransient } from '../admin/answer.ts'
import type { AdminClient } from '../admin/client.ts'
import { type RetryParts, retry } from '../admin/retry.ts'
import type { ApplyOptions } from './apply.ts'
import { idIn, type Row } from './change.ts'
import { KINDS, PARENTS_OF } from './kinds.ts'
import type { Plan } from './plan.ts'
import type { Desired } from './resolve.ts'

/**
 * Puts the desired state in the place of the present one, in one request. Kong takes all of it or nothing; when no
 * answer comes, the earlier state is posted again.
 *
 * @throws SluiceError SLUICE_APPLY_FAILED.
 */
export async function applyWhole(
  client: AdminClient,
  plan: Plan,
  options: ApplyOptions,
  parts: RetryParts,
): Promise<void> {
  const earlier = (await client.request('GET', '/config')) as { config?: string }
  const retryOptions = { forMs: options.retryForMs, ...(options.signal && { signal: options.signal }) }
  const post = (body: unknown) => retry(() => client.request('POST', '/config', body), retryOptions, parts)
  try {
    await post(wholeState(plan.desired))
  } catch (error) {
    const reason = `replacing the configuration failed: ${messageOf(error)}`
    if (!isTransient(error)) throw new SluiceError('SLUICE_APPLY_FAILED', `${reason}\nnothing was changed`)
    try {
      await post({ config: earlier.config ?? '' })
    } catch {
      throw new SluiceError(
        'SLUICE_APPLY_FAILED',
        `${reason}\nthe earlier state could not be put back either: whether the new one is in force is not known`,
      )
    }
    throw new SluiceError('SLUICE_APPLY_FAILED', `${reason}\nthe earlier state was put back`)
  }
  for (const change of plan.changes) options.watcher.applied(change)
}

/** The declarative configuration of Kong: flat lists, references by id. */
export function wholeState(desired: readonly Desired[]): Record<string, unknown> {
  const lists: Record<string, Row[]> = {}
  for (const entity of desired) {
    const list = lists[entity.kind] ?? []
    lists[entity.kind] = list
    list.push(toDeclarative(entity))
  }
  return { _format_version: '3.0', _transform: true, ...lists }
}

function toDeclarative({ kind, id, fields, body }: Desired): Row {
  const row: Record<string, unknown> = { ...fields, id }
  // Kong hashes passwords itself (`_transform`), so they are sent as they were declared.
  for (const name of KINDS[kind].secrets) if (body[name] !== undefined) row[name] = body[name]
  for (const field of PARENTS_OF.keys()) {
    const id = idIn(row[field])
    if (id !== undefined) row[field] = id
  }
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null && value !== undefined))
}
