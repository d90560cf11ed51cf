import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { type RunningGateway, startTestGateway } from '../support/gateway.ts'
import { replayScenario } from '../support/replay.ts'

const SCENARIOS = readdirSync(
  path.resolve(import.meta.dirname, '../../../test/contract/kong-reference/scenarios'),
).map(file => path.parse(file).name)

const withoutDatabase = (scenario: string): boolean => scenario.startsWith('dbless-')

const KINDS: readonly (readonly [
  title: string,
  scenarios: readonly string[],
  env: Record<string, string>,
])[] = [
  ['with a database', SCENARIOS.filter(scenario => !withoutDatabase(scenario)), {}],
  ['without a database', SCENARIOS.filter(withoutDatabase), { KONG_DATABASE: 'off' }],
]

for (const [title, scenarios, env] of KINDS)
  describe(`the whole gateway answers as a recorded Kong ${title}`, () => {
    let gateway: RunningGateway
    before(async () => {
      gateway = await startTestGateway(env)
    })
    after(() => gateway.close())

    for (const scenario of scenarios)
      it(`in ${scenario}`, async () => {
        const { code, output } = await replayScenario(gateway, 'kong-reference', scenario)
        assert.equal(code, 0, output)
      })
  })
