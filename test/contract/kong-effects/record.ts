/**
 * Records what the calls of plugins do in a real Kong, into answers.json beside this file:
 *
 *   node dist/test/contract/kong-effects/record.js PROXY_URL ADMIN_URL SOCKET
 *
 * That Kong runs without a database, with the settings that `effectSettings(SOCKET)` gives.
 */
import { writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { effectConfiguration, runCase, startEffectUpstream } from '../../support/effects.ts'
import { startPuppetServer } from '../../support/puppet-server.ts'
import { EFFECT_CASES } from './cases.ts'

const [proxyUrl, adminUrl, socket] = process.argv.slice(2) as [string, string, string]
const puppet = await startPuppetServer(socket)
const upstream = await startEffectUpstream()
const loaded = await fetch(`${adminUrl}/config`, {
  method: 'POST',
  body: JSON.stringify(effectConfiguration(upstream.port)),
  headers: { 'content-type': 'application/json' },
})
if (!loaded.ok) throw new Error(await loaded.text())
await loaded.arrayBuffer()
await pause(2_000)
const effects = []
for (const one of EFFECT_CASES) effects.push(await runCase(one, proxyUrl, puppet, upstream))
writeFileSync(
  new URL('../../../../test/contract/kong-effects/answers.json', import.meta.url),
  `${JSON.stringify(effects, inOrder, 1)}\n`,
)
await puppet.close()
await upstream.close()

/** Lua's tables have no order, and a new record should show only what is new. */
function inOrder(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
