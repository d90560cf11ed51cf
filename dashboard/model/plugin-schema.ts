import type { EntitySchema } from './schema.ts'

/** What every plugin has beside what its own schema says, with sentences for people; as Kong 3.9 publishes it. */
export const PLUGIN_SCHEMA: EntitySchema = {
  fields: [
    { name: { type: 'string', required: true, description: 'Which plugin it is.' } },
    {
      instance_name: {
        type: 'string',
        description: 'A name of your own, where several of the same plugin are to be told apart.',
      },
    },
    {
      service: { type: 'foreign', reference: 'services', description: 'Only for requests to this service.' },
    },
    { route: { type: 'foreign', reference: 'routes', description: 'Only for requests by this route.' } },
    {
      consumer: {
        type: 'foreign',
        reference: 'consumers',
        description: 'Only for requests of this consumer.',
      },
    },
    { config: { type: 'record', required: true, fields: [] } },
    {
      protocols: {
        type: 'set',
        required: true,
        default: ['grpc', 'grpcs', 'http', 'https'],
        elements: {
          type: 'string',
          one_of: ['grpc', 'grpcs', 'http', 'https', 'tcp', 'tls', 'tls_passthrough', 'udp'],
        },
        description: 'Of the requests for which it runs.',
      },
    },
    { enabled: { type: 'boolean', required: true, default: true, description: 'Whether it runs.' } },
    { tags: { type: 'set', elements: { type: 'string' }, description: 'For grouping and search.' } },
  ],
}
