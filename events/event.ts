/** What has happened, in the words of the one who saw it. */
export interface EventDraft {
  /** Past tense, dotted, versioned: `key-auth.denied.v1`. */
  readonly type: string
  /** What it is about: a consumer, a service, a breaker. */
  readonly subject: string
  /** When it happened, milliseconds since the epoch; the present where it is left out. */
  readonly timeMs?: number
  /**
   * What makes it the same event when it is seen again (Kong can deliver a log event twice): the id derives from
   * this and from the type. A random id where it is left out.
   */
  readonly identity?: string
  /** Checked by the schema of its type. Holds no secret. */
  readonly data: Readonly<Record<string, unknown>>
}

/** An event as it is stored and sent: CloudEvents 1.0 with the extensions `node` and `sequence`. */
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
  /** Position in its writer's sequence. */
  readonly sequence: number
  readonly data: Readonly<Record<string, unknown>>
}

export interface EventPublisher {
  /**
   * Takes an event for storing.
   *
   * @returns a promise that is kept once the event is on disk, or after 100 ms at the most: then `events.late` is
   * counted, and the event is written as soon as the disk lets it. Never rejects.
   */
  publish(draft: EventDraft): Promise<void>
}
