/** A record on its way to a sink: the fields that sinks route by, and the JSON text that they store. */
export interface SinkRecord {
  readonly id: string
  readonly type: string
  /** RFC 3339. */
  readonly time: string
  readonly writer: string
  readonly sequence: number
  /** The whole event, as it stands in the spool. */
  readonly json: string
}

/** What became of a batch that a sink took. */
export interface SinkReceipt {
  /** Records that the sink refused for their content and put aside. */
  readonly refused: number
}

/** Where events go. It stores, or throws; trying again is the relay's business. */
export interface Sink {
  /** `postgres`, `rabbitmq`: names its cursor and its metrics. */
  readonly name: string
  /**
   * Stores a batch. Resolves once every record is durable there. Idempotent. Ends within seconds of `signal`.
   *
   * @throws when any record may not be safe; the same array then comes again.
   */
  store(records: readonly SinkRecord[], signal: AbortSignal): Promise<SinkReceipt>
  close(): Promise<void>
}
