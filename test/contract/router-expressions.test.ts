/** Which routes the local gateway's router takes in the flavor `expressions`, beside a real Kong 3.9.3. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parseQuery } from '../../kong/gateway/proxy/query.ts'
import { escapePath } from '../../kong/gateway/router/path.ts'
import type { RouteQuery } from '../../kong/gateway/router/route.ts'
import { createRouter } from '../../kong/gateway/router/router.ts'
import { EXPRESSION_CASES, type ExpressionRequest, REFUSED_EXPRESSIONS } from './kong-router/cases.ts'
import type { Routed } from './kong-router/run.ts'

const FILE = path.resolve(import.meta.dirname, '../../../test/contract/kong-router/answers.json')
const { routed, refused } = JSON.parse(readFileSync(FILE, 'utf8')) as {
  readonly routed: Readonly<Record<string, readonly Routed[]>>
  readonly refused: Readonly<Record<string, number>>
}

function queryOf({
  target,
  method = 'GET',
  host = 'localhost',
  headers = [],
}: ExpressionRequest): RouteQuery {
  const fields = new Map<string, string[]>()
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i]!.toLowerCase()
    fields.set(name, [...(fields.get(name) ?? []), headers[i + 1]!])
  }
  return {
    ...{ method, requestUri: target, hostHeader: host, scheme: 'http', serverName: undefined },
    ...{ clientIp: '127.0.0.1', clientPort: 40_000, serverIp: '127.0.0.1', serverPort: 28_010 },
    query: parseQuery(target.split('?')[1] ?? ''),
    header(name) {
      const values = fields.get(name)
      return values?.length === 1 ? values[0] : values
    },
  }
}

describe('an expression of a route', () => {
  it('was recorded in every case', () => {
    assert.deepEqual(
      Object.keys(routed),
      EXPRESSION_CASES.map(({ name }) => name),
    )
  })

  for (const { name, routes, requests } of EXPRESSION_CASES)
    it(`matches as in Kong: ${name}`, () => {
      const router = createRouter(
        routes.map((route, i) => {
          const [expression, priority] = typeof route === 'string' ? [route, 0] : route
          const id = String.fromCharCode(97 + i)
          return { id, expression, priority, protocols: ['http', 'https'], strip_path: true }
        }),
        {
          flavor: 'expressions',
          onFault: (_, error) => {
            throw error
          },
        },
      )
      const found = requests.map(request => {
        const match = router.match(queryOf(request))
        if (!match) return { route: null, path: null }
        const query = request.target.includes('?') ? `?${request.target.split('?')[1]}` : ''
        return { route: match.route.id, path: `${escapePath(match.upstreamPath('/'))}${query}` }
      })
      assert.deepEqual(found, routed[name])
    })

  for (const expression of REFUSED_EXPRESSIONS.filter(one => one !== ''))
    it(`is refused as in Kong: ${expression}`, () => {
      assert.equal(refused[expression], 400)
      const faults: unknown[] = []
      createRouter([{ id: 'r', expression }], { flavor: 'expressions', onFault: (_, e) => faults.push(e) })
      assert.equal(faults.length, 1)
    })
})
