import type { SwaggerOptions } from '@fastify/swagger'

/** What stands above the operations in `/v1/openapi.json`. */
export const OPENAPI: SwaggerOptions = {
  openapi: {
    openapi: '3.1.0',
    info: {
      title: 'Sluice manager',
      version: '1',
      description: 'Changes of a Kong Gateway that are applied whole or undone, and reads from PostgreSQL.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer' },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: '__Host-sluice-session',
          description:
            'of POST /v1/session; `sluice-session` over plain HTTP on loopback. What changes something needs the header X-CSRF-Token too',
        },
      },
    },
    security: [{ token: [] }, { session: [] }],
  },
  // Without it a schema with `$id` is called `def-0`.
  refResolver: { buildLocalReference: (json, _base, _fragment, i) => String(json.$id ?? `schema-${i}`) },
}
