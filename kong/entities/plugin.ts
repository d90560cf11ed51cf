import type { SchemaSpec } from '../schema/spec.ts'
import { name, protocols, seconds, tags, uuid } from './typedefs.ts'

const scope = (reference: string) =>
  ({ type: 'foreign', reference, default: null, on_delete: 'cascade' }) as const

export const plugin: SchemaSpec = {
  name: 'plugins',
  subschema_key: 'name',
  subschema_error: "plugin '%s' not enabled; add it to the 'plugins' configuration property",
  fields: [
    { id: uuid },
    { name: { type: 'string', required: true } },
    { instance_name: name },
    { created_at: seconds },
    { updated_at: seconds },
    { route: scope('routes') },
    { service: scope('services') },
    { consumer: scope('consumers') },
    { config: { type: 'record', abstract: true } },
    { protocols },
    { enabled: { type: 'boolean', required: true, default: true } },
    { tags },
  ],
}
