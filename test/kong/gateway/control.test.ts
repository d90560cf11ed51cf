import assert from 'node:assert/strict'
import { SluiceError } from '../../../foundation/errors.ts'
import { type ControlOptions, createControl } from '../../../kong/gateway/control.ts'
import { BUNDLED_PLUGINS } from '../../../kong/gateway/plugins/bundled.ts'

const OPTIONS: ControlOptions = {
  plugins: BUNDLED_PLUGINS,
  databaseLess: true,
  node: {
    nodeId: '00000000-0000-4000-8000-000000000000',
    version: '3.9.3',
    configuration: {},
    traffic: () => ({ totalRequests: 0, activeConnections: 0 }),
  },
  now: () => 1_000,
  onError: error => {
    throw error
  },
}

describe('the control of a gateway', () => {
  it('starts with the state of a declarative file', () => {
    const declaration = '_format_version: "3.0"\nservices:\n- name: s\n  url: http://h:81/p\n'
    const { state } = createControl({ ...OPTIONS, declaration })
    const service = state.snapshot().find('services', 'name', 's')
    assert.deepEqual([service?.host, service?.port, service?.path], ['h', 81, '/p'])
  })

  it('names what is wrong with the file', () => {
    const declaration = '_format_version: "3.0"\nservices:\n- name: s\n'
    assert.throws(
      () => createControl({ ...OPTIONS, declaration }),
      (error: unknown) =>
        error instanceof SluiceError &&
        error.code === 'SLUICE_GATEWAY_CONFIG' &&
        error.message.includes('{services={{host="required field missing"}}}'),
    )
  })

  it('refuses a plugin whose schema Kong would refuse, by its name', () => {
    const broken = { schema: { name: 'p', fields: [] }, priority: 1, version: '1' }
    assert.throws(
      () => createControl({ ...OPTIONS, plugins: { broken } }),
      /schema of plugin 'broken': has no field config/,
    )
  })
})
