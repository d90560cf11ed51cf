import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify'
import type { Clock } from '../foundation/clock.ts'
import type { Logger } from '../foundation/log.ts'
import type { Metrics } from '../foundation/metrics.ts'
import type { Settings } from '../foundation/settings.ts'
import type { Timers } from '../foundation/timers.ts'
import type { AdminClient } from '../kong/admin/client.ts'
import type { EventPublisher } from '../sdk/event.ts'
import type { ApiList } from './catalogue/list.ts'
import type { Changes } from './changes/changes.ts'
import type { History } from './changes/history.ts'
import type { Database } from './database.ts'
import type { EntityReads } from './entities/reads.ts'
import type { Live } from './live/live.ts'
import type { DriftStore } from './mirror/drift-store.ts'
import type { MirrorStore } from './mirror/store.ts'
import type { OperatorAccess } from './operators/operator-access.ts'
import type { Readiness } from './readiness.ts'
import type { KongSchemas } from './schemas.ts'

/** The server, as the routes of a module see it. */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

/** What the parts of the manager share. */
export interface Parts {
  readonly settings: Settings
  readonly database: Database
  readonly access: OperatorAccess
  readonly changes: Changes
  readonly history: History
  readonly reads: EntityReads
  readonly mirror: MirrorStore
  readonly drift: DriftStore
  /** Kong's schemas, as they are needed. */
  readonly schemas: KongSchemas
  readonly kong: AdminClient
  readonly live: Live
  readonly events: EventPublisher
  /** What the catalogue shows now; undefined where it is not served, or has not read Kong yet. */
  readonly catalogue: () => ApiList | undefined
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Logger
  readonly metrics: Pick<Metrics, 'text'>
  readonly readiness: Readiness
  /** What is wrong though requests can be served, a sentence each. */
  readonly problems: () => readonly string[]
}

/** The routes of one subject; `server.ts` registers each with one line. */
export type Module = (app: App, parts: Parts) => void | Promise<void>
