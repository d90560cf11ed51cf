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

export { BoundedMap } from '../foundation/bounded-map.ts'
export type { Clock } from '../foundation/clock.ts'
export { type ErrorCode, messageOf, SluiceError } from '../foundation/errors.ts'
export type { Logger } from '../foundation/log.ts'
export type { BoundCounter, BoundGauge, BoundHistogram, Metrics } from '../foundation/metrics.ts'
export { systemTimers, type Timers } from '../foundation/timers.ts'
export { type Static, Type } from '../foundation/typebox.ts'
export type {
  Consumer,
  Credential,
  HeaderMap,
  HeaderValue,
  HeaderWrites,
  Json,
  MemoryStats,
  QueryMap,
  Route,
  Service,
  UriCaptures,
} from '../protocol/pdk/entities.ts'
export type { LogEntry } from '../protocol/pdk/log-entry.ts'
export type { Phase } from '../protocol/pdk/phases.ts'
export { composePlugins } from './compose.ts'
export type {
  Closeable,
  FailurePolicy,
  HandlerResult,
  Host,
  InstanceScope,
  Needs,
  PhaseContext,
  PhaseHandler,
  PluginDefinition,
  SharedContext,
  Undo,
} from './definition.ts'
export type { EventDraft, EventPublisher, EventType } from './event.ts'
export type { Fetch, FetchAnswer, FetchOptions } from './fetch.ts'
export type {
  AccessKong,
  CertificateKong,
  LogKong,
  Need,
  PhaseKong,
  PrereadKong,
  ResponseKong,
  RewriteKong,
} from './kong.ts'
export { createLogEventCounter } from './log-events.ts'
export type {
  LoopbackAnswer,
  LoopbackOrigin,
  LoopbackPurpose,
  LoopbackRequest,
} from './loopback.ts'
export type {
  Peers,
  ScriptList,
  ScriptOutcome,
  Store,
  StoredBytes,
  StoredHash,
  StoredValue,
  StoreScript,
} from './store.ts'

/** Types a plugin by its own parts; returns it unchanged. */
export function definePlugin<
  Schema extends TObject,
  Memory = undefined,
  Instance = undefined,
  // biome-ignore lint/complexity/noBannedTypes: an object type without fields
  Settings extends TObject = TObject<{}>,
>(
  definition: PluginDefinition<Schema, Memory, Instance, Settings>,
): PluginDefinition<Schema, Memory, Instance, Settings> {
  return definition
}
