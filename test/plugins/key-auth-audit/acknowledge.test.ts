import assert from 'node:assert/strict'
import { systemClock } from '../../../foundation/clock.ts'
import { createMetrics } from '../../../foundation/metrics.ts'
import { createRegistry } from '../../../plugin-server/runtime/registry.ts'
import { createRuntime } from '../../../plugin-server/runtime/runtime.ts'
import { plugin } from '../../../plugins/key-auth-audit/plugin.ts'
import type { EventDraft, Host } from '../../../sdk/sdk.ts'
import { recordLogs } from '../../support/logs.ts'
import { partial } from '../../support/partial.ts'
import { ScriptedExchange } from '../../support/scripted-exchange.ts'
import { until } from '../../support/until.ts'
import { SECRET } from './harness.ts'
import { recorded } from './recorded.ts'

describe('the answer to a log event of key-auth-audit', () => {
  /** The event before and behind the moment at which its record is on disk. */
  async function audited(config: object) {
    const { logger: log } = recordLogs()
    const metrics = createMetrics()
    const drafts: EventDraft[] = []
    let synced = () => {}
    const disk = new Promise<void>(resolve => {
      synced = resolve
    })
    const publish = (draft: EventDraft) => {
      drafts.push(draft)
      return disk
    }
    const settings = { fingerprintSecret: SECRET }
    const host = partial<Host>({ clock: systemClock, log, metrics, settings, events: { publish } })
    const registry = createRegistry([plugin as never], () => host)
    const runtime = createRuntime({ registry, clock: systemClock, log, metrics })
    try {
      const { id } = await runtime.handler.startInstance(plugin.name, JSON.stringify(config))
      const exchange = new ScriptedExchange({ 'kong.log.serialize': JSON.stringify(recorded('key-granted')) })
      assert.ok(runtime.handler.handleEvent(id, 'log', exchange))
      await until(() => drafts.length === 1)
      const before = exchange.methods
      synced()
      await until(() => runtime.running === 0)
      return { before, behind: exchange.methods }
    } finally {
      runtime.close()
    }
  }

  it('waits until the record is on disk', async () => {
    assert.deepEqual(await audited({}), {
      before: ['kong.log.serialize', 'flush'],
      behind: ['kong.log.serialize', 'flush', 'end'],
    })
  })

  it('goes out in the write that asks where `acknowledge` is `received`, and the record is kept all the same', async () => {
    assert.deepEqual(await audited({ acknowledge: 'received' }), {
      before: ['kong.log.serialize', 'end'],
      behind: ['kong.log.serialize', 'end'],
    })
  })
})
