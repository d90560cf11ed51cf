import { httpProtocols, noConsumer } from '../../entities/typedefs.ts'
import type { SchemaSpec } from '../../schema/spec.ts'

export const basicAuth: SchemaSpec = {
  name: 'basic-auth',
  fields: [
    { consumer: noConsumer },
    { protocols: httpProtocols },
    {
      config: {
        type: 'record',
        required: true,
        fields: [
          { anonymous: { type: 'string' } },
          { hide_credentials: { type: 'boolean', required: true, default: false } },
          { realm: { type: 'string', required: true, default: 'service' } },
        ],
      },
    },
  ],
}
