/** From Swagger 2.0 to OpenAPI 3.0: https://swagger.io/docs/specification/v3_0/about/ and the two specifications. */
import {
  isNode,
  METHODS,
  mapValues,
  type Node,
  nodeOf,
  nodesOf,
  rewrite,
  textOf,
  textsOf,
  without,
} from './node.ts'

const JSON_TYPE = ['application/json']
/** Of a parameter in 2.0 what belongs to its schema in 3.0. */
const SCHEMA_FIELDS = [
  ...['type', 'format', 'items', 'default', 'maximum', 'exclusiveMaximum', 'minimum', 'exclusiveMinimum'],
  ...[
    'maxLength',
    'minLength',
    'pattern',
    'maxItems',
    'minItems',
    'uniqueItems',
    'enum',
    'multipleOf',
    'x-nullable',
  ],
]

export function toOpenApi30(swagger: Node): Node {
  const document = nodeOf(rewrite(swagger, convertSchema))
  const shared = mapValues(nodeOf(document.parameters), nodeOf)
  const convert = new Conversion(document, shared)
  const parameters = Object.entries(shared).filter(([, one]) => !isBody(one))
  return {
    openapi: '3.0.3',
    info: document.info ?? {},
    servers: serversOf(document),
    paths: mapValues(nodeOf(document.paths), item => convert.pathItem(nodeOf(item))),
    ...(document.security !== undefined && { security: document.security }),
    components: {
      schemas: nodeOf(document.definitions),
      parameters: Object.fromEntries(parameters.map(([name, one]) => [name, convert.parameter(one)])),
      responses: mapValues(nodeOf(document.responses), one =>
        convert.response(nodeOf(one), convert.produces({})),
      ),
      securitySchemes: mapValues(nodeOf(document.securityDefinitions), one => securityScheme(nodeOf(one))),
    },
  }
}

const isBody = ({ in: place }: Node) => place === 'body' || place === 'formData'

function serversOf({ host, basePath, schemes }: Node): readonly Node[] {
  const path = textOf(basePath) ?? '/'
  const scheme = textsOf(schemes)[0] ?? 'http'
  return [{ url: textOf(host) === undefined ? path : `${scheme}://${host}${path}` }]
}

const MOVED: readonly (readonly [before: string, after: string])[] = [
  ['#/definitions/', '#/components/schemas/'],
  ['#/parameters/', '#/components/parameters/'],
  ['#/responses/', '#/components/responses/'],
]

function convertSchema(node: Node): Node {
  const { $ref, discriminator, 'x-nullable': nullable, type } = node
  const moved = MOVED.find(([before]) => textOf($ref)?.startsWith(before))
  return {
    ...node,
    ...(moved && { $ref: textOf($ref)!.replace(moved[0], moved[1]) }),
    ...(typeof discriminator === 'string' && { discriminator: { propertyName: discriminator } }),
    ...(nullable === true && { nullable }),
    ...(type === 'file' && { type: 'string', format: 'binary' }),
  }
}

class Conversion {
  readonly #document: Node
  readonly #shared: Readonly<Record<string, Node>>

  constructor(document: Node, shared: Readonly<Record<string, Node>>) {
    this.#document = document
    this.#shared = shared
  }

  pathItem(item: Node): Node {
    const common = this.#parametersOf(item)
    const operations = METHODS.filter(method => isNode(item[method]))
    return {
      ...without(item, [...METHODS, 'parameters']),
      ...(common.some(one => !isBody(one)) && {
        parameters: common.filter(one => !isBody(one)).map(one => this.parameter(one)),
      }),
      ...Object.fromEntries(
        operations.map(method => [method, this.#operation(nodeOf(item[method]), common.filter(isBody))]),
      ),
    }
  }

  #operation(operation: Node, commonBody: readonly Node[]): Node {
    const parameters = [...commonBody, ...this.#parametersOf(operation)]
    const body = parameters.filter(isBody)
    const produced = this.produces(operation)
    return {
      ...without(operation, ['parameters', 'consumes', 'produces', 'schemes', 'responses']),
      parameters: parameters.filter(one => !isBody(one)).map(one => this.parameter(one)),
      ...(body.length > 0 && { requestBody: requestBody(body, this.#consumes(operation)) }),
      responses: mapValues(nodeOf(operation.responses), one => this.response(nodeOf(one), produced)),
    }
  }

  /** A body may stand among the shared parameters, but has no component of its own in 3.0. */
  #parametersOf({ parameters }: Node): readonly Node[] {
    return nodesOf(parameters).map(one => {
      const name = textOf(one.$ref)?.match(/^#\/components\/parameters\/(.+)$/)?.[1]
      const target = name === undefined ? undefined : this.#shared[name]
      return target && isBody(target) ? target : one
    })
  }

  #consumes = ({ consumes }: Node) => listOr(consumes, listOr(this.#document.consumes, JSON_TYPE))
  produces = ({ produces }: Node) => listOr(produces, listOr(this.#document.produces, JSON_TYPE))

  parameter(parameter: Node): Node {
    if (textOf(parameter.$ref) !== undefined) return parameter
    const { collectionFormat } = parameter
    return {
      ...without(parameter, [...SCHEMA_FIELDS, 'collectionFormat', 'allowEmptyValue']),
      ...(parameter.in === 'path' && { required: true }),
      schema: schemaOf(parameter),
      ...(parameter.in === 'query' && styleOf(collectionFormat)),
    }
  }

  response(response: Node, produced: readonly string[]): Node {
    if (textOf(response.$ref) !== undefined) return response
    const { schema, headers, examples } = response
    const described = { description: '', ...without(response, ['schema', 'headers', 'examples']) }
    return {
      ...described,
      ...(isNode(headers) && { headers: mapValues(headers, one => headerOf(nodeOf(one))) }),
      ...(isNode(schema) && {
        content: Object.fromEntries(
          produced.map(type => [
            type,
            { schema, ...(isNode(examples) && type in examples && { example: examples[type] }) },
          ]),
        ),
      }),
    }
  }
}

const listOr = (value: unknown, otherwise: readonly string[]) =>
  textsOf(value).length > 0 ? textsOf(value) : otherwise

const headerOf = (header: Node): Node => ({
  ...(header.description !== undefined && { description: header.description }),
  schema: schemaOf(header),
})

const schemaOf = (parameter: Node): Node =>
  Object.fromEntries(
    Object.entries(parameter).filter(([name]) => SCHEMA_FIELDS.includes(name) || name === 'nullable'),
  )

function styleOf(collectionFormat: unknown): Node {
  if (collectionFormat === 'multi') return { style: 'form', explode: true }
  if (collectionFormat === 'ssv') return { style: 'spaceDelimited', explode: false }
  if (collectionFormat === 'pipes') return { style: 'pipeDelimited', explode: false }
  return collectionFormat === 'csv' ? { style: 'form', explode: false } : {}
}

function requestBody(parameters: readonly Node[], consumed: readonly string[]): Node {
  const whole = parameters.find(({ in: place }) => place === 'body')
  if (whole)
    return {
      ...(whole.description !== undefined && { description: whole.description }),
      required: whole.required === true,
      content: Object.fromEntries(consumed.map(type => [type, { schema: nodeOf(whole.schema) }])),
    }
  const required = parameters.filter(one => one.required === true).map(({ name }) => String(name))
  const schema = {
    type: 'object',
    properties: Object.fromEntries(
      parameters.map(one => [String(one.name), { ...descriptionOf(one), ...schemaOf(one) }]),
    ),
    ...(required.length > 0 && { required }),
  }
  const forms = consumed.filter(type => /form/.test(type))
  const types = forms.length > 0 ? forms : ['application/x-www-form-urlencoded']
  return { required: required.length > 0, content: Object.fromEntries(types.map(type => [type, { schema }])) }
}

const descriptionOf = ({ description }: Node): Node => (description === undefined ? {} : { description })

const FLOWS: Readonly<Record<string, string>> = {
  implicit: 'implicit',
  password: 'password',
  application: 'clientCredentials',
  accessCode: 'authorizationCode',
}

function securityScheme(scheme: Node): Node {
  const { type, flow, scopes, authorizationUrl, tokenUrl } = scheme
  if (type === 'basic') return { type: 'http', scheme: 'basic', ...descriptionOf(scheme) }
  if (type !== 'oauth2') return scheme
  const urls = {
    ...(authorizationUrl !== undefined && { authorizationUrl }),
    ...(tokenUrl !== undefined && { tokenUrl }),
  }
  const name = FLOWS[String(flow)] ?? 'implicit'
  return { type, ...descriptionOf(scheme), flows: { [name]: { ...urls, scopes: nodeOf(scopes) } } }
}
