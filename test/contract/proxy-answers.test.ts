import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { type RunningGateway, startTestGateway } from '../support/gateway.ts'
import { replayScenario } from '../support/replay.ts'

const SCENARIOS = readdirSync(
  path.resolve(import.meta.dirname, '../../../test/contract/kong-reference/scenarios'),
).map(file => path.parse(file).name)

describe('the whole gateway answers as a recorded Kong', () => {
  let gateway: RunningGateway
  before(async () => {
    gateway = await startTestGateway()
  })
  after(() => gateway.close())

  for (const scenario of SCENARIOS)
    it(`in ${scenario}`, async () => {
      const { code, output } = await replayScenario(gateway, 'kong-reference', scenario)
      assert.equal(code, 0, output)
    })
})
