/**
 * Records what buffering for the response phase does in a real Kong, into behaviours.json beside this file:
 *
 *   node dist/test/contract/kong-response/record-behaviours.js PROXY_URL ADMIN_URL SOCKET
 *
 * That Kong runs without a database, with the settings that `behaviourSettings(SOCKET)` gives.
 */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../../support/ports.ts'
import { startPuppetServer } from '../../support/puppet-server.ts'
import { BEHAVIOURS, behaviourConfiguration, runBehaviour, startBehaviourUpstream } from './behaviours.ts'

const [proxyUrl, adminUrl, socket] = process.argv.slice(2) as [string, string, string]
const puppet = await startPuppetServer(socket)
const upstream = await startBehaviourUpstream()
const loaded = await fetch(`${adminUrl}/config`, {
  method: 'POST',
  body: JSON.stringify(behaviourConfiguration(upstream.port, await freePort())),
  headers: { 'content-type': 'application/json' },
})
if (!loaded.ok) throw new Error(await loaded.text())
await loaded.arrayBuffer()
await pause(2_000)
const behaviours = []
for (const one of BEHAVIOURS) behaviours.push(await runBehaviour(one, proxyUrl, puppet))
writeFileSync(
  path.resolve(import.meta.dirname, '../../../../test/contract/kong-response/behaviours.json'),
  `${JSON.stringify(behaviours, null, 1)}\n`,
)
await puppet.close()
await upstream.close()
