import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type Node, nodeOf } from '../../management/catalogue/openapi/node.ts'
import { DocumentRefused, parseDocument } from '../../management/catalogue/openapi/parse.ts'
import { inlineReferences, resolve } from '../../management/catalogue/openapi/pointer.ts'

const fixture = (name: string) => readFileSync(new URL(`documents/${name}`, import.meta.url), 'utf8')
const openapi = (more: object = {}) =>
  JSON.stringify({ openapi: '3.1.0', info: { title: 't', version: '1' }, paths: {}, ...more })

describe('a document of a service', () => {
  const refusals: [what: string, text: () => string, reason: RegExp][] = [
    ['is neither JSON nor YAML', () => 'a: b: c', /neither JSON nor YAML/],
    ['is cut', () => '{"openapi": ', /not valid JSON/],
    ['is a list', () => '[]', /not an object/],
    ['names no version', () => '{"paths": {}}', /neither `openapi` nor `swagger`/],
    ['has a version of its own', () => '{"openapi": "4.0.0", "paths": {}}', /has the version 4\.0\.0/],
    ['has no paths', () => '{"openapi": "3.1.0"}', /has no paths/],
    [
      'is nested too deep',
      () => `{"openapi":"3.1.0","paths":${'{"a":'.repeat(200)}1${'}'.repeat(201)}`,
      /nested deeper/,
    ],
    [
      'refers to a file',
      () => openapi({ paths: { '/a': { $ref: 'other.yaml#/a' } } }),
      /refers to "other\.yaml#\/a", outside/,
    ],
    [
      'refers to a host',
      () => openapi({ components: { schemas: { a: { $ref: 'http://127.0.0.1:8001/' } } } }),
      /outside of itself/,
    ],
    [
      'is a bomb of aliases',
      () =>
        `openapi: 3.1.0\na: &a [x]\n${Array.from(
          { length: 9 },
          (_, i) =>
            `b${i}: &b${i} [${Array(20)
              .fill(i === 0 ? '*a' : `*b${i - 1}`)
              .join(', ')}]`,
        ).join('\n')}\npaths: {}`,
      /alias/,
    ],
  ]
  for (const [what, text, reason] of refusals)
    it(`is refused where it ${what}`, () =>
      assert.throws(
        () => parseDocument(text()),
        (error: Error) => error instanceof DocumentRefused && reason.test(error.message),
      ))

  it('may hold what looks like a reference in an example, and fields with names of keywords', () => {
    const properties = { $ref: { type: 'string' }, example: { type: 'string' } }
    const schema = { type: 'object', properties, example: { $ref: 'http://elsewhere.example' } }
    assert.deepEqual(
      nodeOf(nodeOf(parseDocument(openapi({ components: { schemas: { schema } } })).components).schemas),
      { schema },
    )
  })

  it('has references beside the components put in, and is refused where these go in a circle', () => {
    const shared = { description: 'ok' }
    const document = parseDocument(
      openapi({
        paths: {
          '/a': {
            get: { responses: { 200: shared } },
            put: { responses: { 200: { $ref: '#/paths/~1a/get/responses/200' } } },
          },
        },
      }),
    )
    const put = nodeOf(nodeOf(nodeOf(inlineReferences(document).paths)['/a']).put)
    assert.deepEqual(put.responses, { 200: shared })
    const circle = parseDocument(openapi({ paths: { '/a': { get: { x: { $ref: '#/paths/~1a/get' } } } } }))
    assert.throws(() => inlineReferences(circle), /in a circle/)
    const dangling = parseDocument(openapi({ paths: { '/a': { $ref: '#/nowhere' } } }))
    assert.throws(() => inlineReferences(dangling), /which is not there/)
  })
})

describe('a document of Swagger 2.0', () => {
  const document = parseDocument(fixture('petstore-2.0.yaml'))
  const operation = (path: string, method: string) => nodeOf(nodeOf(nodeOf(document.paths)[path])[method])

  it('has its server, its schemas, and the ways to authenticate', () => {
    assert.deepEqual(document.servers, [{ url: 'https://petstore.example/v2' }])
    const { schemas, securitySchemes } = nodeOf(document.components) as Record<string, Node>
    assert.deepEqual(Object.keys(schemas!), ['ApiResponse', 'Category', 'Pet', 'Dog'])
    assert.deepEqual(nodeOf(schemas!.Pet).discriminator, { propertyName: 'petType' })
    assert.deepEqual(nodeOf(securitySchemes!.plain), { type: 'http', scheme: 'basic' })
    assert.ok('implicit' in nodeOf(nodeOf(securitySchemes!.petstore_auth).flows))
  })

  it('has bodies where it had parameters for them, shared ones too', () => {
    const { parameters, requestBody } = operation('/pet', 'post')
    assert.deepEqual(parameters, [])
    assert.deepEqual(requestBody, {
      required: true,
      content: { 'application/json': { schema: { $ref: '#/components/schemas/Pet' } } },
    })
    const form = nodeOf(
      nodeOf(nodeOf(operation('/pet/{petId}/uploadImage', 'post').requestBody).content)[
        'multipart/form-data'
      ],
    )
    assert.deepEqual(nodeOf(form.schema), {
      type: 'object',
      properties: {
        additionalMetadata: { description: 'Additional data', type: 'string' },
        file: { type: 'string', format: 'binary' },
      },
      required: ['file'],
    })
  })

  it('has schemas of parameters, lists spelt as before', () => {
    const [status, ids] = operation('/pet/findByStatus', 'get').parameters as Node[]
    assert.deepEqual([status!.style, status!.explode], ['form', true])
    assert.deepEqual([ids!.style, ids!.explode], ['pipeDelimited', false])
    assert.equal(nodeOf(status!.schema).type, 'array')
    assert.deepEqual(resolve(document, '#/components/parameters/petId/schema'), {
      type: 'integer',
      format: 'int64',
    })
  })

  it('has answers by media type, with headers and examples', () => {
    const answer = nodeOf(nodeOf(operation('/pet/findByStatus', 'get').responses)['200'])
    assert.deepEqual(Object.keys(nodeOf(answer.content)), ['application/json', 'application/xml'])
    assert.deepEqual(nodeOf(nodeOf(answer.content)['application/json']).example, [{ name: 'Rex' }])
    assert.deepEqual(nodeOf(nodeOf(answer.headers)['X-Expires-After']).schema, {
      type: 'string',
      format: 'date-time',
    })
  })
})

describe('a document of OpenAPI 3.0', () => {
  const document = parseDocument(fixture('code-hosting-3.0.yaml'))
  const property = (name: string) => resolve(document, `#/components/schemas/repository/properties/${name}`)

  it('says `null` as a type, among the values, or as an alternative', () => {
    assert.deepEqual(property('visibility'), { type: ['string', 'null'], enum: ['public', 'private', null] })
    assert.deepEqual(property('license'), {
      anyOf: [{ allOf: [{ $ref: '#/components/schemas/simple-user' }] }, { type: 'null' }],
    })
  })

  it('has bounds that are numbers', () => {
    assert.deepEqual(property('stars'), { type: ['integer', 'null'], exclusiveMaximum: 10 })
  })
})
