import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Validator } from '@seriousme/openapi-schema-validator'
import fc from 'fast-check'
import { merge, type Source } from '../../management/catalogue/openapi/merge.ts'
import {
  METHODS,
  type Node,
  nodeOf,
  nodesOf,
  rewrite,
  textOf,
} from '../../management/catalogue/openapi/node.ts'
import { parseDocument } from '../../management/catalogue/openapi/parse.ts'
import { resolve } from '../../management/catalogue/openapi/pointer.ts'
import { offerOf, plugin, route, service, serviceOf } from './rows.ts'

const fixture = (name: string) => readFileSync(new URL(`documents/${name}`, import.meta.url), 'utf8')
const DOCUMENTS = {
  pets: fixture('petstore-2.0.yaml'),
  code: fixture('code-hosting-3.0.yaml'),
  payments: fixture('payments-3.1.json'),
} as const

interface World {
  readonly routes?: Readonly<Record<string, object>>
  readonly plugins?: Parameters<typeof offerOf>[2]
  readonly stale?: string
}

/** Each service below a path of its name, unless `routes` says otherwise. */
function mergeAll(texts: Readonly<Record<string, string>>, { routes = {}, plugins = [], stale }: World = {}) {
  const names = Object.keys(texts)
  const offer = offerOf(
    names.map(name => service(name)),
    names.map(name => route(name, name, { paths: [`/${name}`], ...routes[name] })),
    plugins,
  )
  const sources = names.map(
    (name): Source => ({
      service: serviceOf(offer, name),
      document: parseDocument(texts[name]!),
      fetchedAt: 0,
      staleReason: stale,
    }),
  )
  return merge(offer, sources)
}

const at = (document: Node, path: string, method: string) =>
  nodeOf(nodeOf(nodeOf(document.paths)[path])[method])
const placesIn = ({ paths }: Node) =>
  Object.entries(nodeOf(paths)).flatMap(([path, item]) =>
    METHODS.filter(method => method in nodeOf(item)).map(method => `${method} ${path}`),
  )

/** All that is wrong with a document: by the schema of OpenAPI, and what that does not see. */
async function faultsOf(document: Node): Promise<unknown[]> {
  const { valid, errors } = await new Validator().validate(
    structuredClone(document) as Record<string, unknown>,
  )
  const dangling: string[] = []
  const ids: string[] = []
  rewrite(document, node => {
    const reference = textOf(node.$ref)
    if (reference !== undefined && resolve(document, reference) === undefined) dangling.push(reference)
    if (textOf(node.operationId) !== undefined && 'responses' in node) ids.push(textOf(node.operationId)!)
    return node
  })
  const schemes = nodeOf(nodeOf(document.components).securitySchemes)
  const strange = placesIn(document)
    .map(place => place.split(' ') as [string, string])
    .flatMap(([method, path]) => nodesOf(at(document, path, method).security).flatMap(Object.keys))
    .filter(name => !(name in schemes))
  return [
    ...(valid ? [] : [errors]),
    ...dangling,
    ...ids.filter((id, index) => ids.indexOf(id) !== index),
    ...strange,
  ]
}

describe('the merged document', () => {
  it('is valid OpenAPI 3.1, whatever versions it is made of', async () => {
    const { document, dropped } = mergeAll(DOCUMENTS, {
      plugins: [
        plugin('qos'),
        plugin('key-auth', { config: { key_names: ['apikey'] }, route: { id: 'pets' } }),
      ],
    })
    assert.deepEqual(await faultsOf(document), [])
    assert.deepEqual(dropped, [])
    assert.equal(placesIn(document).length, 11)
  })

  it('has the paths of the gateway, with the base of the first server', () => {
    const { document } = mergeAll(DOCUMENTS)
    assert.ok(placesIn(document).includes('get /pets/v2/pet/{petId}'))
    assert.ok(placesIn(document).includes('get /code/api/v3/repos/{owner}/{repo}'))
    assert.ok(placesIn(document).includes('get /payments/hidden'))
  })

  it('lacks what no request reaches, and says which', () => {
    const { document, dropped } = mergeAll(
      { pets: DOCUMENTS.pets },
      { routes: { pets: { methods: ['GET'] } } },
    )
    assert.deepEqual(placesIn(document), ['get /pets/v2/pet/findByStatus', 'get /pets/v2/pet/{petId}'])
    assert.deepEqual(
      dropped.map(({ service: of, method, path }) => `${of} ${method} ${path}`),
      ['pets post /pet', 'pets delete /pet/{petId}', 'pets post /pet/{petId}/uploadImage'],
    )
  })

  it('prefixes names that several services have, and only those', () => {
    const { document } = mergeAll({ a: DOCUMENTS.payments, b: DOCUMENTS.payments, pets: DOCUMENTS.pets })
    const { schemas, securitySchemes } = nodeOf(document.components) as Record<string, Node>
    assert.ok('a_charge' in schemas! && 'b_charge' in schemas && !('charge' in schemas) && 'Pet' in schemas)
    assert.ok('a_basicAuth' in securitySchemes! && 'plain' in securitySchemes)
    const create = at(document, '/b/charges', 'post')
    assert.equal(create.operationId, 'b_create')
    assert.deepEqual(create.security, [{ b_basicAuth: [] }, { b_bearerAuth: [] }])
    assert.match(JSON.stringify(create.responses), /#\/components\/schemas\/b_charge/)
  })

  it('renames what a discriminator and a link name, and drops links that would lead astray', () => {
    const { document } = mergeAll({ a: DOCUMENTS.code, b: DOCUMENTS.code })
    const { mapping } = nodeOf(nodeOf(resolve(document, '#/components/schemas/a_issue')).discriminator)
    assert.deepEqual(mapping, { bug: '#/components/schemas/a_bug', wish: 'a_wish' })
    const answer = nodeOf(nodeOf(at(document, '/a/api/v3/repos/{owner}/{repo}', 'get').responses)['200'])
    assert.deepEqual(nodeOf(answer.links), {
      issues: { operationId: 'a_issues/list', parameters: { owner: '$request.path.owner' } },
    })
  })

  it('asks for what the gateway asks and for what the service asks', () => {
    const { document } = mergeAll(
      { payments: DOCUMENTS.payments },
      {
        plugins: [
          plugin('key-auth', { config: { key_names: ['apikey'], key_in_query: false } }),
          plugin('circuit-breaker'),
        ],
      },
    )
    const create = at(document, '/payments/charges', 'post')
    assert.deepEqual(create.security, [
      { gateway_key_apikey: [], basicAuth: [] },
      { gateway_key_apikey: [], bearerAuth: [] },
    ])
    assert.deepEqual(at(document, '/payments/health', 'get').security, [{ gateway_key_apikey: [] }])
    const answers = nodeOf(create.responses)
    assert.deepEqual(answers['401'], { $ref: '#/components/responses/GatewayUnauthorized' })
    assert.deepEqual(answers['503'], { $ref: '#/components/responses/GatewayUnavailable' })
    assert.equal(answers['413'], undefined)
  })

  it("keeps the service's own words for an answer that the gateway gives too, with the gateway's media types", () => {
    const { document } = mergeAll({ payments: DOCUMENTS.payments }, { plugins: [plugin('qos')] })
    const { description, content } = nodeOf(
      nodeOf(at(document, '/payments/charges', 'post').responses)['429'],
    )
    assert.equal(description, 'own words')
    assert.deepEqual(Object.keys(nodeOf(content)), ['application/problem+json', 'application/json'])
  })

  it('has no HTML, no extension and no address that runs something, but examples as they are', () => {
    const { document } = mergeAll(DOCUMENTS)
    const text = JSON.stringify(document)
    assert.doesNotMatch(text, /<script|javascript:|x-logo|elsewhere\.example/)
    assert.match(text, /"description":"<b>kept<\/b>"/)
    assert.equal(
      at(document, '/code/api/v3/repos/{owner}/{repo}', 'get').description,
      'The `<parent>` and alert(1) objects. [run](#) <https://docs.example>',
    )
  })

  it('names the hosts of a route, and asks for its headers', () => {
    const { document } = mergeAll(
      { payments: DOCUMENTS.payments },
      { routes: { payments: { hosts: ['pay.example'], headers: { 'X-Version': ['2'] } } } },
    )
    const { servers, parameters } = at(document, '/payments/health', 'get')
    assert.deepEqual(servers, [{ url: 'http://pay.example' }])
    assert.deepEqual(
      nodesOf(parameters).map(({ name, in: place }) => [name, place]),
      [['x-version', 'header']],
    )
  })

  it('says of a document that is not of now, how old it is and why', () => {
    const { document } = mergeAll({ payments: DOCUMENTS.payments }, { stale: 'answers 503' })
    assert.match(
      String(nodesOf(document.tags)[0]!.description),
      /As of 1970-01-01T00:00:00.000Z: answers 503/,
    )
  })

  it('has one spelling of a path that two services document', async () => {
    const text = (name: string) =>
      JSON.stringify({
        openapi: '3.1.0',
        info: { title: 't', version: '1' },
        paths: {
          '/items/{NAME}': {
            METHOD: { parameters: [{ in: 'path', name: 'NAME', required: true, schema: {} }], responses: {} },
          },
        },
      }).replaceAll('NAME', name)
    const { document } = mergeAll(
      { a: text('id').replace('METHOD', 'get'), b: text('key').replace('METHOD', 'put') },
      { routes: { a: { paths: ['/'], methods: ['GET'] }, b: { paths: ['/'], methods: ['PUT'] } } },
    )
    assert.deepEqual(placesIn(document), ['get /items/{id}', 'put /items/{id}'])
    assert.equal(nodesOf(at(document, '/items/{id}', 'put').parameters)[0]!.name, 'id')
    assert.deepEqual(await faultsOf(document), [])
  })

  it('is valid for documents with names at random, which collide', async () => {
    const name = fc.constantFrom('A', 'B', 'a_A', 'Gateway', 'GatewayProblem', 'x y', 'a/b', 'gateway_bearer')
    const documentOf = fc.uniqueArray(name, { minLength: 1, maxLength: 5 }).chain(names =>
      fc
        .record({ refs: fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 4 }) })
        .map(({ refs }) => {
          const escaped = (one: string) => one.replaceAll('~', '~0').replaceAll('/', '~1')
          const schemas = Object.fromEntries(
            names.map((one, index) => [
              one,
              {
                type: 'object',
                properties: { next: { $ref: `#/components/schemas/${escaped(refs[index % refs.length]!)}` } },
              },
            ]),
          )
          return JSON.stringify({
            openapi: '3.1.0',
            info: { title: 't', version: '1' },
            paths: {
              '/x': {
                get: {
                  operationId: names[0],
                  security: [{ [names[0]!]: [] }],
                  responses: {
                    200: {
                      description: '',
                      content: {
                        'application/json': { schema: { $ref: `#/components/schemas/${escaped(refs[0]!)}` } },
                      },
                    },
                  },
                },
              },
            },
            components: { schemas, securitySchemes: { [names[0]!]: { type: 'http', scheme: 'basic' } } },
          })
        }),
    )
    await fc.assert(
      fc.asyncProperty(documentOf, documentOf, documentOf, async (a, b, c) => {
        const { document } = mergeAll({ a, b, c }, { plugins: [plugin('jwt')] })
        assert.deepEqual(await faultsOf(document), [])
      }),
      { numRuns: 40 },
    )
  })
})
