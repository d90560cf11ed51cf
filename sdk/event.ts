import type { TObject } from 'typebox'

/** An event as a plugin publishes it. */
export interface EventDraft {
  /** Past tense, dotted, versioned: `key-auth.denied.v1`. */
  readonly type: string
  /** What it is about: a consumer, a service, a breaker. */
  readonly subject: string
  /** When it happened, milliseconds since the epoch; now by default. */
  readonly timeMs?: number
  /**
   * What makes it the same event when it is seen again (Kong can deliver a log event twice): the id derives from
   * this, from the type and from `timeMs`, which must then be the same each time. A random id by default.
   */
  readonly identity?: string
  /** Checked by the schema of its type. Holds no secret. */
  readonly data: Readonly<Record<string, unknown>>
}

/** An event as it is stored and sent: CloudEvents 1.0 with the extensions `node`, `writer`, `sequence` and `chain`. */
export interface SluiceEvent {
  readonly specversion: '1.0'
  /** A UUID, version 8 by its layout: 48 bits of time in front, so that ids sort by time. */
  readonly id: string
  readonly type: string
  /** `/sluice/<node>` */
  readonly source: string
  readonly subject: string
  /** RFC 3339, milliseconds. */
  readonly time: string
  readonly datacontenttype: 'application/json'
  readonly node: string
  /** The process that wrote it, 16 hexadecimal digits; another one after each start. */
  readonly writer: string
  /** Position in its writer's sequence, from 1. */
  readonly sequence: number
  /** Links the event to the one before it in the writer's sequence, 64 hexadecimal digits (see chain.ts). */
  readonly chain: string
  readonly data: Readonly<Record<string, unknown>>
}

export interface EventPublisher {
  /**
   * Takes an event for storing; the draft must stay as it is until it is stored.
   *
   * @returns a promise that is kept once the event is on disk, or after 100 ms at the most: then `events.late` is
   * counted, and the event is written as soon as the disk lets it. Never rejects.
   */
  publish(draft: EventDraft): Promise<void>
}

/**
 * A type of event: its name, its meaning and the schema of its data.
 *
 * A plugin lists its types in its definition (`definePlugin({ events: [...] })`); those of the event path and of the
 * bootstrap stand in `events/types/`. The reference in docs/events.md is generated from all of them.
 */
export interface EventType {
  /** `<area>[.<entity>].<what-happened>.v<version>`; a change that breaks a reader gets the next version. */
  readonly type: string
  /** When it is published, in one sentence. */
  readonly doc: string
  readonly data: TObject
  /**
   * There are many of it and each says little: dropped first, from 90 % of the spool's limit on, so that the rarer
   * types (a refusal, an open breaker) still have room.
   */
  readonly expendable?: boolean
}

/** Names of event types; they are routing keys too. */
export const EVENT_TYPE_NAME = /^[a-z][a-z0-9-]*(\.[a-z][a-z0-9_-]*)+\.v[1-9][0-9]*$/
