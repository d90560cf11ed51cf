import { Type } from '../../foundation/typebox.ts'
import type { EventType } from '../../sdk/event.ts'

const actor = Type.Optional(Type.String({ description: 'name of the operator' }))
const reason = Type.Optional(Type.String({ description: 'as the operator gave it' }))
const change = Type.String({ description: 'id of the change' })
const labels = Type.Array(Type.String(), {
  description: 'what people know the entities by; never a credential',
})
const shown = (when: string) =>
  Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), { description: `the entity ${when}, secrets masked` }),
  )

const CHANGES: readonly (readonly [what: string, doc: string])[] = [
  ['applied', 'A change was applied as a whole.'],
  ['undone', 'A change failed, and all that had been done of it was taken back.'],
  ['stuck', 'A change failed, and some of it could not be taken back.'],
  ['refused', 'By the time of its turn a change could not be made any more; nothing was done.'],
  ['resolved', 'An operator has ended a change that was stuck, as it is.'],
]

const ofChanges = CHANGES.map(([what, doc]) => ({
  type: `manager.change.${what}.v1`,
  doc,
  data: Type.Object({
    change,
    actor,
    reason,
    origin: Type.String({ description: 'the request that it came by' }),
    entities: labels,
    failure: Type.Optional(Type.String({ description: 'why it was not applied' })),
  }),
}))

const address = Type.Optional(Type.String({ description: 'address of the client' }))
const login = Type.Object({ name: Type.String({ description: 'as it was given' }), address })

/** What the manager says of itself. Its changes of entities are `gateway.…` events, like those of `sluice apply`. */
export const MANAGER_EVENTS: readonly EventType[] = [
  ...ofChanges,
  {
    type: 'gateway.drift.detected.v1',
    doc: 'An entity was changed past the manager.',
    data: Type.Object({
      kind: Type.String({ description: "Kong's name of its kind" }),
      id: Type.String(),
      name: Type.String({ description: 'what people know it by; never a credential' }),
      action: Type.Union(['created', 'updated', 'deleted'].map(action => Type.Literal(action))),
      fields: Type.Array(Type.String(), { description: 'names of the fields that differ' }),
      before: shown('as the manager knew it'),
      after: shown('as Kong holds it'),
      adopted: Type.Boolean({
        description: 'the manager takes it over; false: it is listed under /v1/drift',
      }),
    }),
  },
  { type: 'manager.login.succeeded.v1', doc: 'An operator has logged in.', data: login },
  {
    type: 'manager.login.failed.v1',
    doc: 'A login failed: wrong name, wrong password, or too many.',
    data: login,
  },
  {
    type: 'manager.session.ended.v1',
    doc: 'An operator has logged out, or a session was ended by somebody.',
    data: Type.Object({ actor, of: Type.String({ description: 'whose session' }) }),
  },
  {
    type: 'manager.operator.changed.v1',
    doc: 'An operator was added, changed or disabled.',
    data: Type.Object({
      actor,
      name: Type.String({ description: 'the operator that was changed' }),
      what: Type.String({ description: 'added, role, password or disabled' }),
      role: Type.Optional(Type.String()),
    }),
  },
  {
    type: 'manager.token.changed.v1',
    doc: 'A token was made or revoked.',
    data: Type.Object({
      actor,
      of: Type.String({ description: 'whose token' }),
      name: Type.String({ description: 'name of the token' }),
      what: Type.String({ description: 'made or revoked' }),
    }),
  },
  {
    type: 'manager.secret.revealed.v1',
    doc: 'An admin has read an entity with its secrets.',
    data: Type.Object({ actor, reason, kind: Type.String(), id: Type.String() }),
  },
  {
    type: 'manager.request.refused.v1',
    doc: 'A request was refused: without a valid token or session, or by the role of its operator.',
    data: Type.Object({
      actor,
      address,
      method: Type.String(),
      path: Type.String(),
      code: Type.String({ description: 'code of the problem' }),
    }),
  },
]
