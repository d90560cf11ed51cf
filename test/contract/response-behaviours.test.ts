/** What buffering for the response phase does in the local gateway, beside what it does in a real Kong 3.9.3. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { makeFolder, type TestFolder } from '../support/folder.ts'
import { type RunningGateway, startTestGateway } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { type PuppetServer, startPuppetServer } from '../support/puppet-server.ts'
import {
  BEHAVIOURS,
  type Behaviour,
  type BehaviourUpstream,
  behaviourConfiguration,
  behaviourSettings,
  runBehaviour,
  startBehaviourUpstream,
} from './kong-response/behaviours.ts'

const FILE = path.resolve(import.meta.dirname, '../../../test/contract/kong-response/behaviours.json')
const recorded = JSON.parse(readFileSync(FILE, 'utf8')) as readonly Behaviour[]

describe('an answer that waits for the response phase is in the local gateway what it is in Kong', () => {
  let folder: TestFolder
  let puppet: PuppetServer
  let upstream: BehaviourUpstream
  let gateway: RunningGateway

  before(async () => {
    folder = makeFolder()
    const socket = path.join(folder.path, 'puppet.sock')
    puppet = await startPuppetServer(socket)
    upstream = await startBehaviourUpstream()
    gateway = await startTestGateway(behaviourSettings(socket))
    await gateway.admin('POST', '/config', behaviourConfiguration(upstream.port, await freePort()))
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
      BEHAVIOURS.map(({ name }) => name),
    )
  })

  for (const [index, one] of BEHAVIOURS.entries())
    it(one.name, async () => {
      assert.deepEqual(await runBehaviour(one, gateway.proxyUrl, puppet), recorded[index])
    })
})
