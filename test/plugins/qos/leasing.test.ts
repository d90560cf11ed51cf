import assert from 'node:assert/strict'
import { type Design, type Scenario, simulate } from '../../../bench/qos-simulation.ts'

const TOLERANCE = 0.05

const LIMIT = 2000
const EVENLY = (share: number) => () => Math.round((share * LIMIT) / 60)
const AT_ONCE = (second: number) => (second === 0 ? 5 * LIMIT : 0)
/** Takes tokens ahead at the end of each window, and storms at the beginning of the next. */
const AT_THE_EDGE = (second: number) => (second === 0 ? 3 * LIMIT : second > 56 ? LIMIT / 20 : 0)

const run = (design: Design, nodes: number, arrivals: Scenario['arrivals'], seed = 1) =>
  simulate({
    design,
    nodes,
    limit: LIMIT,
    windowSeconds: 60,
    arrivals,
    windows: 2,
    tolerance: TOLERANCE,
    syncSeconds: 1,
    seed,
  })

describe('leased counting, simulated', function () {
  this.timeout(60_000)
  for (const nodes of [2, 8, 32]) {
    it(`admits no more than the tolerance above the limit at ${nodes} nodes, and hardly less`, async () => {
      for (const arrivals of [EVENLY(2), AT_ONCE, AT_THE_EDGE]) {
        const { most, least } = await run('leased', nodes, arrivals, nodes)
        assert.ok(most <= 1 + TOLERANCE, `${most}·L`)
        assert.ok(most >= 1 - TOLERANCE && least > 0, `${least}·L`)
      }
    })

    it(`is exact when strict at ${nodes} nodes`, async () => {
      for (const arrivals of [EVENLY(2), AT_ONCE]) {
        const { most } = await run('strict', nodes, arrivals, nodes)
        assert.ok(most <= 1 && most > 0.99, `${most}·L`)
      }
    })
  }

  it('admits everybody below the limit, with a fraction of the calls', async () => {
    const strict = await run('strict', 8, EVENLY(0.5))
    const leased = await run('leased', 8, EVENLY(0.5))
    assert.ok(Math.abs(strict.callsPerRequest - 1) < 0.01, `${strict.callsPerRequest}`)
    assert.ok(leased.callsPerRequest < 0.75, `${leased.callsPerRequest}`)
    assert.equal(leased.most, strict.most)
  })

  it('is what reporting afterwards is not', async () => {
    const { most } = await run('report-afterwards', 8, AT_ONCE)
    assert.ok(most > 3, `${most}·L`)
  })
})
