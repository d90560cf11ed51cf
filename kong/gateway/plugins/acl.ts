import { httpProtocols, noConsumer } from '../../entities/typedefs.ts'
import type { SchemaSpec } from '../../schema/spec.ts'

export const acl: SchemaSpec = {
  name: 'acl',
  fields: [
    { consumer: noConsumer },
    { protocols: httpProtocols },
    {
      config: {
        type: 'record',
        required: true,
        fields: [
          { allow: { type: 'array', elements: { type: 'string' } } },
          { deny: { type: 'array', elements: { type: 'string' } } },
          { hide_groups_header: { type: 'boolean', required: true, default: false } },
          { always_use_authenticated_groups: { type: 'boolean', required: true, default: false } },
        ],
      },
    },
  ],
  entity_checks: [
    { only_one_of: ['config.allow', 'config.deny'] },
    { at_least_one_of: ['config.allow', 'config.deny'] },
  ],
}
