/**
 * What tokens cost the plugin server: signed anew, and given out again; beside signing each with a key that is read
 * from PEM each time.
 *
 *     node dist/bench/token.js
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import jsonwebtoken from 'jsonwebtoken'
import { systemClock } from '../foundation/clock.ts'
import { createLogger } from '../foundation/log.ts'
import { loadSign, TokenIssuer } from '../plugins/upstream-token/issuer.ts'
import { KeyRing } from '../plugins/upstream-token/key-ring.ts'
import { rotate } from '../plugins/upstream-token/rotation.ts'
import { median, printTable } from './report.ts'

const LIFE = { expiresIn: 300, clockSkew: 30 }
const SUBJECTS = 10_000

const folder = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'))
rotate(folder, { now: Math.floor(Date.now() / 1_000), inSeconds: 0, revoke: false })
const ring = new KeyRing({ folder, clock: systemClock, log: createLogger('silent') })
const sign = await loadSign()
const pem = ring.current().privateKey.export({ type: 'pkcs8', format: 'pem' })
const identity = (n: number) => ({
  iss: 'sluice',
  aud: 'products',
  sub: `consumer-${n}`,
  act_sub: `user-${n}`,
})
const create = () =>
  new TokenIssuer({ ring, clock: systemClock, sign, onIssued: () => {}, onKeyChanged: () => {} })

/** CPU time of a call, microseconds. */
function cpuMicros(calls: number, call: (n: number) => unknown): number {
  const before = process.cpuUsage()
  for (let n = 0; n < calls; n++) call(n)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / calls
}

const rounds = Array.from({ length: 5 }, () => {
  const issuer = create()
  const signed = cpuMicros(2_000, n => issuer.issue(identity(n), LIFE))
  const cached = cpuMicros(200_000, n => issuer.issue(identity(n % 2_000), LIFE))
  const fromPem = cpuMicros(500, n => jsonwebtoken.sign(identity(n), pem, { algorithm: 'ES256', keyid: 'x' }))
  return { signed, cached, fromPem }
})
const of = (field: 'signed' | 'cached' | 'fromPem') => median(rounds.map(round => round[field]))
const renewals = SUBJECTS / (LIFE.expiresIn * 0.8)
printTable(
  ['what', 'CPU'],
  [
    ['a token signed', `${of('signed').toFixed(0)} µs`],
    ['the same, key from PEM each time', `${of('fromPem').toFixed(0)} µs`],
    ['a token given out again', `${of('cached').toFixed(1)} µs`],
    [
      `signing for ${SUBJECTS} active subjects (goal: ≤ 3 % of a core)`,
      `${((renewals * of('signed')) / 10_000).toFixed(2)} % of a core`,
    ],
  ],
)
rmSync(folder, { recursive: true })
