import { Type } from '../../foundation/typebox.ts'
import { KIND_NAMES, KINDS, type KindName } from '../../kong/reconcile/kinds.ts'
import { Problem } from '../http/problem.ts'
import type { Module } from '../module.ts'

const Kind = Type.Object({ kind: Type.String({ description: 'as in paths (`key-auths`) or as in Kong' }) })
const Name = Type.Object({ name: Type.String({ minLength: 1 }) })

/** Kong's name of a kind that is named as in Kong or as in paths. */
const kindNamed = (text: string): KindName | undefined =>
  KIND_NAMES.find(name => name === text || KINDS[name].path === text)

/** Kong's own schemas, out of which forms are made. */
export const schemaRoutes: Module = (app, { schemas, kong }) => {
  const tags = ['schemas']
  const config = { access: 'viewer' } as const
  app.get(
    '/v1/schemas',
    {
      config,
      schema: { tags, summary: 'What has a schema: kinds of entities, and the plugins of this Kong' },
    },
    async () => {
      const { enabled_plugins: names } = (await kong.request('GET', '/plugins/enabled')) as {
        readonly enabled_plugins?: readonly string[]
      }
      return { kinds: KIND_NAMES.map(name => KINDS[name].path), plugins: [...(names ?? [])].sort() }
    },
  )
  app.get(
    '/v1/schemas/plugins/:name',
    { config, schema: { tags, summary: "Kong's schema of a plugin", params: Name } },
    async ({ params: { name } }) => {
      await schemas.with({ plugins: [name] })
      const spec = Object.hasOwn(schemas.specs.plugins, name) ? schemas.specs.plugins[name] : undefined
      if (!spec)
        throw new Problem('SLUICE_MANAGER_NOT_FOUND', `this Kong has no plugin ${JSON.stringify(name)}`)
      return spec
    },
  )
  app.get(
    '/v1/schemas/:kind',
    { config, schema: { tags, summary: "Kong's schema of a kind of entity", params: Kind } },
    async ({ params: { kind } }) => {
      const name = kindNamed(kind)
      await schemas.with()
      const spec = name && schemas.specs.kinds.get(name)
      if (!spec) throw new Problem('SLUICE_MANAGER_NOT_FOUND', `this Kong has no ${JSON.stringify(kind)}`)
      return spec
    },
  )
}
