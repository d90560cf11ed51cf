import { Type } from '../../foundation/typebox.ts'
import { isUuid } from '../../foundation/uuid.ts'
import { Problem } from '../http/problem.ts'
import type { Module } from '../module.ts'
import { isEnded } from './change-record.ts'
import { changeBody } from './represent.ts'

const Id = Type.Object({ id: Type.String() })

/** Changes: what was asked for, how far it is, and why it was undone. */
export const changeRoutes: Module = (app, { changes: { store } }) => {
  app.get(
    '/v1/changes/:id',
    {
      config: { access: 'viewer' },
      schema: { tags: ['changes'], summary: 'A change with its steps', params: Id },
    },
    async request => {
      const { id } = request.params
      const change = isUuid(id) ? await store.find(id) : undefined
      if (!change) throw new Problem('SLUICE_MANAGER_NOT_FOUND', `there is no change ${JSON.stringify(id)}`)
      const position = isEnded(change.state) ? {} : { position: await store.ahead(change) }
      return { ...(await changeBody(change, store)), ...position }
    },
  )
}
