import assert from 'node:assert/strict'
import { findWarnings, type PluginEntry } from '../../../kong/reconcile/warnings.ts'

const entry = (
  label: string,
  name: string,
  scope: Record<string, string> = {},
  config: object = {},
): PluginEntry => ({
  label,
  fields: {
    name,
    config,
    ...Object.fromEntries(Object.entries(scope).map(([field, id]) => [field, { id }])),
  },
})
const find = (...entries: PluginEntry[]) => findWarnings(entries, route => (route === 'r1' ? 's1' : 's2'))

describe('warnings of a plan', () => {
  const everywhere = entry(
    'plugin sluice',
    'sluice',
    {},
    { qos: {}, circuit_breaker: {}, key_auth_audit: null },
  )

  it('tell a more specific entry of sluice that loses a member', () => {
    assert.deepEqual(
      find(everywhere, entry('plugin sluice (service s1)', 'sluice', { service: 's1' }, { qos: {} })),
      [
        'plugin sluice (service s1) takes the place of plugin sluice (everywhere) there, and lacks circuit_breaker',
      ],
    )
    assert.deepEqual(
      find(
        everywhere,
        entry('plugin sluice (service s1)', 'sluice', { service: 's1' }, { qos: {}, circuit_breaker: {} }),
      ),
      [],
    )
  })

  it('compare entries only where a request exists to which both apply', () => {
    const onService = entry('on s1', 'sluice', { service: 's1' }, { qos: {}, circuit_breaker: {} })
    assert.deepEqual(find(onService, entry('on r1', 'sluice', { route: 'r1' }, { qos: {} })), [
      'on r1 takes the place of on s1 there, and lacks circuit_breaker',
    ])
    assert.deepEqual(find(onService, entry('on r2', 'sluice', { route: 'r2' }, { qos: {} })), [])
  })

  it('tell a member that applies beside sluice', () => {
    assert.deepEqual(
      find(everywhere, entry('plugin circuit-breaker (route r1)', 'circuit-breaker', { route: 'r1' })),
      [
        'plugin circuit-breaker (route r1) and plugin sluice (everywhere) apply to the same requests: both would count them',
      ],
    )
    assert.deepEqual(find(everywhere, entry('plugin key-auth-audit', 'key-auth-audit')), [])
  })

  it('leave out entries that are switched off', () => {
    const off = entry('plugin qos', 'qos')
    assert.deepEqual(find(everywhere, { ...off, fields: { ...off.fields, enabled: false } }), [])
  })
})
