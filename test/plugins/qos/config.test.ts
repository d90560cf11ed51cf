import assert from 'node:assert/strict'
import { readConfiguration } from '../../../plugin-server/runtime/configuration.ts'
import type { Config } from '../../../plugins/qos/config.ts'
import type { CalendarLimit } from '../../../plugins/qos/limit.ts'
import { plugin } from '../../../plugins/qos/plugin.ts'
import { createPolicy } from '../../../plugins/qos/policy.ts'
import { createNode, oneLimit } from './harness.ts'

describe('the configuration of qos', () => {
  let node: ReturnType<typeof createNode>
  beforeEach(() => {
    node = createNode()
  })
  afterEach(() => node.close())

  const minute = { requests: 10, per: 60 }
  const refused: [name: string, sent: Record<string, unknown>, reason: RegExp][] = [
    ['a burst of zero', oneLimit({ ...minute, burst: 0 }), /burst must be at least 1/],
    ['a negative number of requests', oneLimit({ requests: -1, per: 60 }), /requests must be at least 1/],
    [
      'a window longer than a year',
      oneLimit({ requests: 1, per: 31_622_401 }),
      /per must be at most 31622400/,
    ],
    [
      'a burst that fills for longer than a year',
      oneLimit({ requests: 1, per: 86_400, burst: 400 }),
      /burst: would take longer/,
    ],
    ['a rate that cannot be counted', oneLimit({ requests: 1_000_000_000, per: 1 }), /can't be counted/],
    [
      'a tier without limits',
      { tiers: { free: { limits: [] } }, default_tier: 'free' },
      /limits must have a length of at least 1/,
    ],
    ['no tier', { tiers: {}, default_tier: 'free' }, /there is no tier "free"/],
    [
      'an unknown default tier',
      { ...oneLimit(minute), default_tier: 'gold' },
      /default_tier: there is no tier "gold"/,
    ],
    [
      'an unknown tier in the map',
      oneLimit(minute, { tier_by: { map: { alice: 'gold' } } }),
      /tier_by.map.alice: there is no tier/,
    ],
    [
      'a subject that means nothing',
      oneLimit(minute, { limit_by: ['cosumer'] }),
      /limit_by\[1\]: "cosumer" is none of/,
    ],
    ['a header name that is not valid', oneLimit(minute, { limit_by: ['header:a b'] }), /limit_by\[1\]/],
    [
      'a header of nobody trusted as tier',
      oneLimit(minute, { tier_by: { source: 'header', header: 'x-plan', map: {} } }),
      /trusted_sources/,
    ],
    [
      'a header of nobody trusted as cost',
      oneLimit(minute, { cost: { header: 'x-cost' } }),
      /trusted_sources/,
    ],
    [
      'a network that is none',
      oneLimit(minute, { trusted_sources: ['10.0.0.0/33'] }),
      /"10.0.0.0\/33" is no address/,
    ],
    [
      'a common cost that no request could pay',
      oneLimit(minute, { cost: { default: 11 } }),
      /cost.default: 11 is more than tier free/,
    ],
    [
      'a negative cost',
      oneLimit(minute, { cost: { methods: { POST: -1 } } }),
      /methods.POST must be at least 0/,
    ],
    [
      'two limits of one name',
      {
        tiers: {
          free: {
            limits: [
              { name: 'a', ...minute },
              { name: 'a', ...minute },
            ],
          },
        },
        default_tier: 'free',
      },
      /two limits are named a/,
    ],
    [
      'a calendar limit without a period',
      oneLimit({ requests: 1, algorithm: 'calendar' }),
      /period: a calendar limit needs/,
    ],
    [
      'a time zone that nobody knows',
      oneLimit({ requests: 1, algorithm: 'calendar', period: 'day', time_zone: 'Mars/Olympus' }),
      /time_zone: "Mars\/Olympus"/,
    ],
    [
      'a burst for a sliding window',
      oneLimit({ ...minute, algorithm: 'sliding', burst: 3 }),
      /burst: is for algorithm gcra only/,
    ],
    ['a window that is missing', oneLimit({ requests: 1 }), /per: a gcra limit needs its window/],
    [
      'a lease tolerance of zero',
      oneLimit(minute, { lease_tolerance: 0 }),
      /lease_tolerance must be greater than 0/,
    ],
  ]
  for (const [name, sent, reason] of refused)
    it(`refuses ${name}`, () => {
      assert.throws(() => node.configure(sent), reason)
    })

  it('follows the clock from one period of the calendar to the next, and back where it was set back', () => {
    const sent = oneLimit({ requests: 10, algorithm: 'calendar', period: 'day' })
    const { config } = readConfiguration('qos', plugin.config, JSON.stringify(sent))
    const { defaultTier } = createPolicy(config as Config)
    const days = [1, 2, 2, 1].map(day => Date.UTC(2026, 0, day))
    const begun = days.map(day => (defaultTier.limitSet(day + 1).limits[0] as CalendarLimit).bounds[1] / 1000)
    assert.deepEqual(begun, days)
  })

  it('names every contradiction at once', () => {
    const sent = oneLimit({ requests: 1 }, { default_tier: 'gold', limit_by: ['x'] })
    assert.throws(() => node.configure(sent), /limits\[1\].per: .*default_tier: .*limit_by\[1\]: /)
  })
})
