import { randomUUID } from 'node:crypto'
import { type Static, Type } from '../../foundation/typebox.ts'
import { operatorOf } from '../http/access.ts'
import { type Fault, Problem } from '../http/problem.ts'
import type { Module } from '../module.ts'
import { apiOperations, pointerInApi } from './api-operations.ts'
import { Flags, submitChange } from './submit-routes.ts'

const texts = (description: string) =>
  Type.Optional(Type.Array(Type.String({ minLength: 1 }), { minItems: 1, description }))

const Plugin = Type.Object(
  {
    plugin: Type.String({ minLength: 1 }),
    config: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  },
  { additionalProperties: false },
)

const Limit = Type.Object(
  { requests: Type.Integer({ minimum: 1 }), per_seconds: Type.Number({ exclusiveMinimum: 0 }) },
  { additionalProperties: false },
)

const ApiBody = Type.Object(
  {
    name: Type.String({ minLength: 1, description: 'of the service and of its route' }),
    url: Type.String({ minLength: 1, description: 'where the service is: http://products:8080/base' }),
    paths: texts('prefixes of paths that lead there'),
    hosts: texts('host names that lead there'),
    methods: texts('only these methods'),
    strip_path: Type.Optional(
      Type.Boolean({ description: 'the service does not see the prefix; as Kong by default' }),
    ),
    tags: texts('of all that is made'),
    auth: Type.Optional(
      Type.Union([Type.String({ minLength: 1 }), Plugin], {
        description: 'plugin for authentication: key-auth',
      }),
    ),
    limits: Type.Optional(
      Type.Array(Limit, { minItems: 1, description: 'requests a window, by `qos` where Kong has it' }),
    ),
    cache: Type.Optional(
      Type.Object(
        { seconds: Type.Integer({ minimum: 1, description: 'how long answers are good' }) },
        { additionalProperties: false },
      ),
    ),
    token: Type.Optional(
      Type.Union([Type.Boolean(), Type.Record(Type.String(), Type.Unknown())], {
        description: 'hands the service a signed token of the caller (`upstream-token`); its configuration',
      }),
    ),
    reason: Type.Optional(Type.String({ maxLength: 1_000 })),
  },
  { additionalProperties: false },
)

/** Publishes an API in one change: a service, its route and plugins. */
export const apiRoutes: Module = (app, parts) => {
  app.post(
    '/v1/apis',
    {
      config: { access: 'editor' },
      schema: {
        ...{ tags: ['changes'], summary: 'Publish an API: service, route and plugins in one change' },
        ...{ body: ApiBody, querystring: Flags },
      },
    },
    async (request, reply) => {
      const api = request.body as Static<typeof ApiBody>
      if (!api.paths && !api.hosts && !api.methods) {
        const detail = 'paths: say by which paths, hosts or methods the API is reached'
        throw new Problem('SLUICE_MANAGER_INVALID', detail, {
          faults: [{ pointer: '/paths', code: 'required', detail }],
        })
      }
      const schemas = await parts.schemas.with({ plugins: ['qos', 'response-cache'] })
      const operations = apiOperations(api, { hasPlugin: name => schemas.hasPlugin(name), newId: randomUUID })
      const asked = { operations, acceptsIrreversible: false, role: operatorOf(request).role }
      try {
        return await submitChange(parts, { request, reply }, asked, { sameAs: api, makes: 'services' })
      } catch (error) {
        throw error instanceof Problem ? withOwnPointers(error) : error
      }
    },
  )
}

/** Service and route have one name: what is wrong with it is told once. */
const oncePerPlace = (faults: readonly Fault[]): readonly Fault[] =>
  faults.filter(
    ({ pointer, code }, i) => faults.findIndex(one => one.pointer === pointer && one.code === code) === i,
  )

const withOwnPointers = (problem: Problem): Problem =>
  new Problem(problem.problemCode, problem.message, {
    ...{ headers: problem.headers, cause: problem.cause },
    faults: oncePerPlace(problem.faults.map(fault => ({ ...fault, pointer: pointerInApi(fault.pointer) }))),
  })
