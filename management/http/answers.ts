import type { OpenAPIV3_1 } from 'openapi-types'

/** What every refusal looks like (RFC 9457). */
const PROBLEM = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code', 'remedy'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', description: 'one of docs/errors.md' },
    remedy: { type: 'string', description: 'what to do' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['pointer', 'code', 'detail'],
        properties: {
          pointer: { type: 'string', description: 'JSON pointer into the body; `?name` of a parameter' },
          code: { type: 'string' },
          detail: { type: 'string' },
        },
      },
    },
  },
} as const satisfies OpenAPIV3_1.SchemaObject

const REFUSAL: OpenAPIV3_1.ResponseObject = {
  description: 'A refusal: what is wrong, where, and what to do',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
}

/** Bodies whose fields only Kong's schemas know: `/v1/schemas/{kind}`. */
const ENTITY_BODY: OpenAPIV3_1.RequestBodyObject = {
  required: true,
  content: {
    'application/json': { schema: { type: 'object', description: 'see /v1/schemas/{kind}' } },
  },
}

/** Adds what is the same for all operations: refusals, and that an answer without a schema is a success. */
export function describeAnswers(
  document: OpenAPIV3_1.Document,
  entityPaths: ReadonlySet<string>,
): OpenAPIV3_1.Document {
  const paths = Object.entries(document.paths ?? {}).map(([path, item]) => {
    const operations = Object.entries(item ?? {}).map(([method, operation]) => [
      method,
      describe(operation as OpenAPIV3_1.OperationObject, method, entityPaths.has(path.split('/')[2] ?? '')),
    ])
    return [path, Object.fromEntries(operations)]
  })
  return {
    ...document,
    paths: Object.fromEntries(paths),
    components: { ...document.components, schemas: { ...document.components?.schemas, Problem: PROBLEM } },
  }
}

function describe(
  operation: OpenAPIV3_1.OperationObject,
  method: string,
  isEntity: boolean,
): OpenAPIV3_1.OperationObject {
  const entries = Object.entries(operation.responses ?? {}).map(([status, response]) =>
    // What @fastify/swagger says of an operation without a schema for its answer.
    (response as OpenAPIV3_1.ResponseObject).description === 'Default Response' && status === '200'
      ? ['2XX', { ...response, description: 'Success' }]
      : [status, response],
  )
  const hasBody = isEntity && ['post', 'put', 'patch'].includes(method) && !operation.requestBody
  return {
    ...operation,
    ...(hasBody && { requestBody: ENTITY_BODY }),
    responses: { default: REFUSAL, ...Object.fromEntries(entries) },
  }
}
