import { Type } from '../../foundation/typebox.ts'
import { operatorOf } from '../http/access.ts'
import type { Module } from '../module.ts'

const Me = Type.Object({ name: Type.String(), role: Type.String(), via: Type.String() })

/** Who asks, who may, and by what. */
export const operatorRoutes: Module = app => {
  app.get(
    '/v1/me',
    {
      config: { access: 'viewer' },
      schema: { summary: 'Who asks', tags: ['operators'], response: { 200: Me } },
    },
    async request => {
      const { name, role, via } = operatorOf(request)
      return { name, role, via }
    },
  )
}
