import { createMetrics } from '../../../foundation/metrics.ts'
import { readConfiguration } from '../../../plugin-server/runtime/configuration.ts'
import { AUDIT_EVENTS } from '../../../plugins/key-auth-audit/events.ts'
import { plugin } from '../../../plugins/key-auth-audit/plugin.ts'
import type { EventPublisher, Host, LogKong } from '../../../sdk/sdk.ts'
import { type RecordedEvents, recordEvents } from '../../support/events.ts'
import { partial } from '../../support/partial.ts'
import { createTestClock, type TestClock } from '../../support/test-clock.ts'

export const SECRET = 'a-secret-of-the-tests-only'
export const PLUGIN_ID = '6f1c2f52-0a5e-4d7c-9c5c-1f0f3c0d9a11'

export interface AuditHarness {
  readonly events: RecordedEvents
  readonly clock: TestClock
  /** Questions that were put to Kong. */
  readonly calls: string[]
  /** Runs the log phase as the runtime does. */
  log(serialized: unknown): Promise<void>
  metrics(): Promise<string>
}

/** The plugin with a host of tests and one instance; unknown settings are refused as Kong would. */
export function createAudit(
  config: Record<string, unknown> = {},
  options: { secret?: string | undefined; publisher?: EventPublisher } = {},
): AuditHarness {
  const events = recordEvents(AUDIT_EVENTS)
  const clock = createTestClock()
  const metrics = createMetrics()
  const secret = 'secret' in options ? options.secret : SECRET
  const host = partial<Host>({
    clock,
    metrics,
    events: options.publisher ?? events,
    settings: { fingerprintSecret: secret },
  })
  const read = readConfiguration(
    'key-auth-audit',
    plugin.config,
    JSON.stringify({ ...config, __plugin_id: PLUGIN_ID }),
  )
  const memory = plugin.memory!(host)
  const context = { config: read.config as never, scope: read.scope, memory }
  const instance = plugin.instance!(context.config, { host, memory, scope: read.scope })
  const calls: string[] = []
  return {
    events,
    clock,
    calls,
    async log(serialized) {
      const kong = partial<LogKong>({
        log: {
          async serialize() {
            calls.push('log.serialize')
            return serialized
          },
        },
      })
      await plugin.phases.log!(kong, {
        ...context,
        instance,
        log: host.log,
        onRollback: () => {},
        elapsedMs: () => 0,
      })
    },
    metrics: () => metrics.text(),
  }
}
