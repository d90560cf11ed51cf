/**
 * Records which routes a real Kong takes, into answers.json beside this file:
 *
 *   node dist/test/contract/kong-router/record.js PROXY_URL ADMIN_URL
 *
 * That Kong runs without a database, with `KONG_ROUTER_FLAVOR=expressions`.
 */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { EXPRESSION_CASES, expressionConfiguration, REFUSED_EXPRESSIONS } from './cases.ts'
import { ask, naming, type Routed, startRouterUpstream } from './run.ts'

const [proxyUrl, adminUrl] = process.argv.slice(2) as [string, string]
const upstream = await startRouterUpstream()

async function load(configuration: unknown): Promise<Response> {
  return fetch(`${adminUrl}/config`, {
    method: 'POST',
    body: JSON.stringify(configuration),
    headers: { 'content-type': 'application/json' },
  })
}

const routed: Record<string, readonly Routed[]> = {}
for (const { name, routes, requests } of EXPRESSION_CASES) {
  const loaded = await load(naming(expressionConfiguration(routes, upstream.port)))
  if (!loaded.ok) throw new Error(`${name}: ${await loaded.text()}`)
  await loaded.arrayBuffer()
  await pause(1_500)
  const answers: Routed[] = []
  for (const request of requests) answers.push(await ask(proxyUrl, request))
  routed[name] = answers
}
const refused: Record<string, number> = {}
for (const expression of REFUSED_EXPRESSIONS) {
  const answer = await load(expressionConfiguration([expression], upstream.port))
  refused[expression] = answer.status
  await answer.arrayBuffer()
}
writeFileSync(
  path.resolve(import.meta.dirname, '../../../../test/contract/kong-router/answers.json'),
  `${JSON.stringify({ routed, refused }, null, 1)}\n`,
)
await upstream.close()
