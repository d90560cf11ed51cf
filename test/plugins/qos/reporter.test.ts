import assert from 'node:assert/strict'
import { createMetrics } from '../../../foundation/metrics.ts'
import type { Caller } from '../../../plugins/qos/caller.ts'
import { QOS_EVENTS } from '../../../plugins/qos/events.ts'
import type { Tier } from '../../../plugins/qos/policy.ts'
import { Reporter } from '../../../plugins/qos/reporter.ts'
import { admit, refuse } from '../../../plugins/qos/verdict.ts'
import { recordEvents } from '../../support/events.ts'
import { partial } from '../../support/partial.ts'
import { createTestTime } from '../../support/test-time.ts'
import { gcra, START } from './limits.ts'

/** As many as are told apart, and some more. */
const SUBJECTS = 10_005

describe('what qos reports', () => {
  function setUp() {
    const { clock, timers, advance } = createTestTime()
    const events = recordEvents(QOS_EVENTS)
    const reporter = new Reporter({ clock, metrics: createMetrics(), events }, timers)
    const known = { limits: [gcra(10, 60)], states: [START + 60_000_000], nowMicros: START }
    const tier = partial<Tier>({ name: 'free' })
    const report = (subject: string, isOver: boolean) => {
      const caller: Caller = { tier, subject, consumer: undefined, cost: 1 }
      const verdict = isOver ? refuse('store', known, 1) : admit('store', known)
      const nearLimit = isOver ? 2 : 0.8
      reporter.report(verdict, [0], { key: subject, scope: 'all', caller, shadow: false, nearLimit })
    }
    const count = (type: string) => events.drafts.filter(draft => draft.type === type).length
    return { report, count, advance, reporter, drafts: events.drafts }
  }

  it('is of a bounded number of subjects at once, of which those at rest are forgotten', () => {
    for (const [isOver, type] of [
      [true, 'qos.rejected.v1'],
      [false, 'qos.near-limit.v1'],
    ] as const) {
      const { report, count, advance, reporter } = setUp()
      for (let i = 0; i < SUBJECTS; i++) report(`ip:${i}`, isOver)
      assert.equal(count(type), 10_000)
      // No limit is near, and no one is refused, for longer than a window.
      advance(70_000)
      report('ip:late', isOver)
      report('ip:0', isOver)
      assert.equal(count(type), 10_002)
      reporter.close()
    }
  })

  it('is the first refusal at once, and then their number', () => {
    const { report, advance, drafts, reporter } = setUp()
    for (let i = 0; i < 5; i++) report('ip:1', true)
    assert.deepEqual(
      drafts.map(({ data }) => data.count),
      [1],
    )
    advance(10_000)
    assert.deepEqual(
      drafts.map(({ data }) => data.count),
      [1, 4],
    )
    reporter.close()
  })
})
