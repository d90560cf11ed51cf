import assert from 'node:assert/strict'
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises'
import { systemClock } from '../../../foundation/clock.ts'
import type { Logger } from '../../../foundation/log.ts'
import { createMetrics, type Metrics } from '../../../foundation/metrics.ts'
import { systemTimers } from '../../../foundation/timers.ts'
import { type AnyPlugin, createRegistry } from '../../../plugin-server/runtime/registry.ts'
import { createRuntime, type Runtime } from '../../../plugin-server/runtime/runtime.ts'
import type { EventListener, Protocol } from '../../../protocol/calls.ts'
import {
  type AccessKong,
  definePlugin,
  type FailurePolicy,
  type Host,
  type Phase,
  Type,
} from '../../../sdk/sdk.ts'
import { ScriptedExchange } from '../../support/scripted-exchange.ts'
import type { TestTime } from '../../support/test-time.ts'

type Line = readonly [level: string, fields: Record<string, unknown>, message: string]

export interface Bench {
  readonly runtime: Runtime
  readonly metrics: Metrics
  readonly logged: Line[]
  /** Runs a phase against a Kong that answers; resolves when the event has ended. */
  run(
    phase?: Phase,
    answers?: Record<string, unknown>,
    answerAfterMs?: number,
    protocol?: Protocol,
  ): Promise<ScriptedExchange>
  /** Begins an access event. */
  begin(exchange: ScriptedExchange): EventListener | undefined
}

type Time = Pick<TestTime, 'clock' | 'timers'>
export const SYSTEM: Time = { clock: systemClock, timers: systemTimers }

const running: Runtime[] = []
afterEach(() => {
  for (const runtime of running.splice(0)) runtime.close()
})

export async function bench(
  plugin: AnyPlugin,
  { clock, timers }: Time = SYSTEM,
  config = '{}',
): Promise<Bench> {
  const logged: Line[] = []
  const write = (level: string) => (fields: Record<string, unknown>, message: string) =>
    logged.push([level, fields, message])
  const log = { child: () => log } as unknown as Logger
  for (const level of ['error', 'warn', 'info'] as const) Object.assign(log, { [level]: write(level) })
  Object.assign(log, { debug: () => {} })
  const metrics = createMetrics()
  const host = { clock, log, metrics } as unknown as Host
  const registry = createRegistry([plugin], () => host)
  const runtime = createRuntime({ registry, clock, timers, log, metrics })
  running.push(runtime)
  const { id } = await runtime.handler.startInstance(plugin.name, config)
  return {
    runtime,
    metrics,
    logged,
    begin: exchange => runtime.handler.handleEvent(id, 'access', exchange),
    async run(phase = 'access', answers = {}, answerAfterMs = 0, protocol = 'ProtoBuf:1') {
      const exchange = new ScriptedExchange(answers, protocol, answerAfterMs)
      assert.ok(runtime.handler.handleEvent(id, phase, exchange))
      while (exchange.said.at(-1)?.[0] !== 'end') await pause(1)
      // What Kong answers to the end.
      await turn()
      return exchange
    },
  }
}

export type Handler = (kong: AccessKong) => unknown

export function failing(access: Handler, onError: FailurePolicy = 'closed'): AnyPlugin {
  return definePlugin({
    name: 'failing',
    version: '1.0.0',
    priority: 1,
    config: Type.Object({}),
    onError,
    deadlineMs: { access: 20 },
    phases: { access: access as (kong: AccessKong) => void },
  })
}

export const exitOf = (exchange: ScriptedExchange) =>
  exchange.said.find(([method]) => method === 'kong.response.exit')
