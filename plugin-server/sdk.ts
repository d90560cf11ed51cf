/**
 * All that the author of a plugin imports.
 *
 * ```ts
 * import { definePlugin, Type } from 'sluice'
 *
 * export const plugin = definePlugin({
 *   name: 'hello', version: '1.0.0', priority: 100,
 *   config: Type.Object({ greeting: Type.String({ default: 'hello' }) }),
 *   phases: {
 *     access: (kong, { config }) => kong.response.setHeader('x-greeting', config.greeting),
 *   },
 * })
 * ```
 */
import type { TObject } from 'typebox'
import type { PluginDefinition } from './definition.ts'

export type { EventDraft, EventPublisher, EventType } from '../events/event.ts'
export { BoundedMap } from './bounded-map.ts'
export type { Clock } from './clock.ts'
export type {
  Closeable,
  FailurePolicy,
  HandlerResult,
  Host,
  InstanceScope,
  PhaseContext,
  PhaseHandler,
  PluginDefinition,
  Undo,
} from './definition.ts'
export { type ErrorCode, messageOf, SluiceError } from './errors.ts'
export type { Logger } from './observe/log.ts'
export type { BoundCounter, BoundGauge, BoundHistogram, Metrics } from './observe/metrics.ts'
export type { AccessKong, LogKong, PhaseKong } from './pdk/kong.ts'
export { requestIdOf } from './pdk/pdk.ts'
export type { Need, Phase } from './pdk/phases.ts'
export { composePlugins } from './runtime/compose.ts'
export type {
  ScriptList,
  ScriptOutcome,
  Store,
  StoredHash,
  StoredValue,
  StoreScript,
} from './stores/store.ts'
export { type Static, Type } from './typebox.ts'

/** Types a plugin by its own parts; returns it unchanged. */
export function definePlugin<Schema extends TObject, Memory = undefined, Instance = undefined>(
  definition: PluginDefinition<Schema, Memory, Instance>,
): PluginDefinition<Schema, Memory, Instance> {
  return definition
}
