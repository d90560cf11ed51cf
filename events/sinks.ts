import type { Clock } from '../foundation/clock.ts'
import type { Logger } from '../foundation/log.ts'
import type { Sink } from './sink.ts'

export interface SinkSettings {
  readonly postgresUrl: string | undefined
  readonly amqpUrl: string | undefined
  /** Days that PostgreSQL keeps events; undefined: forever. */
  readonly eventRetentionDays?: number | undefined
}

/** Their clients are loaded only where they are used: each costs the start some 30 ms. */
export async function createSinks(
  settings: SinkSettings,
  parts: { readonly clock: Clock; readonly log: Logger },
): Promise<Sink[]> {
  const sinks: Sink[] = []
  if (settings.postgresUrl !== undefined) {
    const { createPostgresSink } = await import('./postgres/sink.ts')
    sinks.push(
      createPostgresSink({
        url: settings.postgresUrl,
        clock: parts.clock,
        log: parts.log,
        retentionDays: settings.eventRetentionDays,
      }),
    )
  }
  if (settings.amqpUrl !== undefined) {
    const { createRabbitSink } = await import('./rabbitmq/sink.ts')
    sinks.push(createRabbitSink({ url: settings.amqpUrl, log: parts.log }))
  }
  return sinks
}
