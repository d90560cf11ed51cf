import type { KindName } from '../../kong/reconcile/kinds.ts'
import type { Role } from '../http/access.ts'
import type { ProblemBody } from '../http/problem.ts'
import type { Operation } from './operation.ts'

/**
 *     validated ─▶ applying ─▶ applied
 *         │           │  a step fails, is unknown, or its process dies
 *         ▼           ▼
 *      refused     undoing ─▶ settling ─▶ undone | stuck
 *
 * `refused`: by the time of its turn Kong had changed so that it could not be made any more; nothing was done.
 * `stuck`: what is named could not be put back. It is retried (undoing), or resolved by hand.
 */
export const STATES = [
  'validated',
  'refused',
  'applying',
  'applied',
  'undoing',
  'settling',
  'undone',
  'stuck',
] as const

export type ChangeState = (typeof STATES)[number]

const ENDED: readonly ChangeState[] = ['refused', 'applied', 'undone', 'stuck']

export const isEnded = (state: ChangeState): boolean => ENDED.includes(state)

/** What is asked for, as it is kept until its turn. */
export interface ChangeRequest {
  readonly operations: readonly Operation[]
  /** A file in decK's format instead. */
  readonly file?: { readonly text: string; readonly selectTags: readonly string[] }
  readonly acceptsIrreversible: boolean
  /** Of whoever asks: some things are for admins. */
  readonly role: Role
}

/** Who asks, and why. */
export interface Asker {
  readonly operatorId: string | null
  readonly actor: string
  readonly reason: string | null
}

/** A change as it stands in PostgreSQL. */
export interface ChangeRow {
  readonly id: string
  readonly createdAt: Date
  readonly sequence: string
  readonly state: ChangeState
  readonly operatorId: string | null
  readonly actor: string
  readonly reason: string | null
  readonly origin: string
  readonly undoOf: string | null
  readonly kind: KindName | null
  readonly entityId: string | null
  readonly begunAt: Date | null
  readonly endedAt: Date | null
  readonly attempts: number
  /** When the next attempt to undo it may begin. */
  readonly nextAt: Date | null
  /** How long that is past, by PostgreSQL's clock; negative where it is to come. */
  readonly overdueMs: number | null
  readonly failure: ProblemBody | null
  readonly resolution: Resolution | null
}

/** What finds a change in its partition. */
export type ChangeKey = Pick<ChangeRow, 'id' | 'createdAt'>

export interface Resolution {
  readonly actor: string
  readonly reason: string
  readonly at: string
}
