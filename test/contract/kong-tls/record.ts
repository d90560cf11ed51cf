/**
 * Records what TLS and HTTP/2 make of requests in a real Kong, into answers.json beside this file:
 *
 *   node dist/test/contract/kong-tls/record.js TLS_PORT ADMIN_URL SOCKET
 *
 * That Kong runs without a database, with the settings that `tlsSettings(SOCKET)` gives, and listens at the port
 * with `ssl http2`.
 */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { startEffectUpstream } from '../../support/effects.ts'
import { startPuppetServer } from '../../support/puppet-server.ts'
import { runTlsCase, TLS_CASES, tlsConfiguration } from './cases.ts'

const [port, adminUrl, socket] = process.argv.slice(2) as [string, string, string]
const puppet = await startPuppetServer(socket)
const upstream = await startEffectUpstream()
const loaded = await fetch(`${adminUrl}/config`, {
  method: 'POST',
  body: JSON.stringify(tlsConfiguration(upstream.port)),
  headers: { 'content-type': 'application/json' },
})
if (!loaded.ok) throw new Error(await loaded.text())
await loaded.arrayBuffer()
await pause(2_000)
const answers = []
for (const one of TLS_CASES) answers.push(await runTlsCase(one, { port: Number(port), puppet, upstream }))
writeFileSync(
  path.resolve(import.meta.dirname, '../../../../test/contract/kong-tls/answers.json'),
  `${JSON.stringify(answers, inOrder, 1)}\n`,
)
await puppet.close()
await upstream.close()

/** Lua's tables have no order, and a new record should show only what is new. */
function inOrder(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
