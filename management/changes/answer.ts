import type { FastifyReply } from 'fastify'
import { KINDS, type KindName } from '../../kong/reconcile/kinds.ts'
import type { EntityReads } from '../entities/reads.ts'
import type { Preference } from '../http/prefer.ts'
import { Problem, type ProblemBody, problemFrom } from '../http/problem.ts'
import { type ChangeRow, isEnded } from './change-record.ts'
import type { ChangeStore } from './change-store.ts'
import { changeBody } from './represent.ts'

export interface AnswerParts {
  readonly store: ChangeStore
  readonly reads: EntityReads
  /** The kind of what is made by several operations. */
  readonly makes: KindName | undefined
  /** The answer is the change, and not the entity of its one operation. */
  readonly isAboutChange: boolean
}

/** Answers a request with what has become of its change, or where that can be seen. */
export async function answerChange(
  reply: FastifyReply,
  change: ChangeRow,
  { applied }: Preference,
  parts: AnswerParts,
): Promise<unknown> {
  const place = `/v1/changes/${change.id}`
  reply.header('sluice-change', change.id).header('link', `<${place}>; rel="monitor"`)
  if (applied !== undefined) reply.header('preference-applied', applied)
  if (!isEnded(change.state)) {
    const position = await parts.store.ahead(change)
    return reply
      .status(202)
      .header('location', place)
      .send({ ...(await changeBody(change, parts.store)), position })
  }
  if (change.state === 'applied') return answerApplied(reply, change, parts)
  throw problemOfEnd(change)
}

async function answerApplied(
  reply: FastifyReply,
  change: ChangeRow,
  { store, reads, makes, isAboutChange }: AnswerParts,
): Promise<unknown> {
  const { kind, entityId } = change
  if (!kind || !entityId || isAboutChange) {
    const made = makes && (await store.steps.shown(change.id)).find(step => step.kind === makes)
    if (made) reply.status(201).header('location', `/v1/${KINDS[made.kind].path}/${made.id}`)
    return reply.send(await changeBody(change, store))
  }
  const action = await store.steps.actionOn(change.id, kind, entityId)
  if (action === 'delete') return reply.status(204).send()
  const isNew = action === 'create'
  // What Kong made up, such as a key, is shown to whoever asked for it, this once.
  const found = await (isNew ? reads.revealed(kind, entityId) : reads.one(kind, entityId))
  if (!found) return reply.send(await changeBody(change, store))
  if (isNew) reply.status(201).header('location', `/v1/${KINDS[kind].path}/${entityId}`)
  return reply.header('etag', found.etag).type('application/json').send(found.json)
}

/** Why a change that has ended is not in force. */
function problemOfEnd({ id, state, failure }: ChangeRow): Problem {
  const links = { 'sluice-change': id, link: `</v1/changes/${id}>; rel="monitor"` }
  if (state !== 'stuck') return problemFrom(failure ?? UNKNOWN, links)
  const detail = `${(failure ?? UNKNOWN).detail}; part of it could not be undone: see /v1/changes/${id}`
  return new Problem('SLUICE_MANAGER_FAILED', detail, { headers: links })
}

const UNKNOWN: Pick<ProblemBody, 'code' | 'detail'> = {
  code: 'SLUICE_MANAGER_FAILED',
  detail: 'the change was undone',
}
