/** What PDK calls do in the local gateway, beside what they did in a real Kong 3.9.3 (kong-effects/answers.json). */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import {
  type Effect,
  type EffectUpstream,
  effectConfiguration,
  effectSettings,
  runCase,
  startEffectUpstream,
} from '../support/effects.ts'
import { makeFolder, type TestFolder } from '../support/folder.ts'
import { type RunningGateway, startTestGateway } from '../support/gateway.ts'
import { type PuppetServer, startPuppetServer } from '../support/puppet-server.ts'
import { EFFECT_CASES } from './kong-effects/cases.ts'

const recorded = JSON.parse(
  readFileSync(path.resolve(import.meta.dirname, '../../../test/contract/kong-effects/answers.json'), 'utf8'),
) as readonly Effect[]

describe('a call of the PDK does in the local gateway what it does in Kong', () => {
  let folder: TestFolder
  let puppet: PuppetServer
  let upstream: EffectUpstream
  let gateway: RunningGateway

  before(async () => {
    folder = makeFolder()
    const socket = path.join(folder.path, 'puppet.sock')
    puppet = await startPuppetServer(socket)
    upstream = await startEffectUpstream()
    gateway = await startTestGateway(effectSettings(socket))
    await gateway.admin('POST', '/config', effectConfiguration(upstream.port))
  })

  after(async () => {
    await gateway.close()
    await upstream.close()
    await puppet.close()
    folder.remove()
  })

  it('in every recorded case', () => {
    assert.deepEqual(
      recorded.map(({ name }) => name),
      EFFECT_CASES.map(({ name }) => name),
    )
  })

  for (const [index, one] of EFFECT_CASES.entries())
    it(one.name, async () => {
      assert.deepEqual(await runCase(one, gateway.proxyUrl, puppet, upstream), recorded[index])
    })
})
