import { httpProtocols } from '../../entities/typedefs.ts'
import type { SchemaSpec } from '../../schema/spec.ts'

export const correlationId: SchemaSpec = {
  name: 'correlation-id',
  fields: [
    { protocols: httpProtocols },
    {
      config: {
        type: 'record',
        required: true,
        fields: [
          { header_name: { type: 'string', default: 'Kong-Request-ID' } },
          {
            generator: {
              type: 'string',
              required: true,
              default: 'uuid#counter',
              one_of: ['uuid', 'uuid#counter', 'tracker'],
            },
          },
          { echo_downstream: { type: 'boolean', required: true, default: false } },
        ],
      },
    },
  ],
}
