/**
 * Shared state as plugins see it: scripts that read and change the fields of one key, atomically.
 *
 * A script exists in two forms that give the same answers: Lua for Redis, and `apply` for memory. One key is one
 * hash in Redis, so a script touches one slot and runs on Redis Cluster as it is.
 */
export interface StoreScript<Result> {
  /** Unique, lower case with dashes: the name of the command in logs and metrics. */
  readonly name: string
  /** KEYS[1] is the key, ARGV the arguments. Takes its time from Redis (`TIME`), not from a node. */
  readonly lua: string
  /** The same in memory. `now` is in microseconds since the epoch, as the Lua form has it. */
  apply(hash: Map<string, string>, args: readonly (string | number)[], nowMicros: number): ScriptOutcome
  /** Turns the reply of either form into the result. */
  decode(reply: ScriptReply): Result
}

export type ScriptReply = readonly (string | number | null)[]

export interface ScriptOutcome {
  readonly reply: ScriptReply
  /** When the key may be forgotten, in milliseconds from now. */
  readonly expireInMs: number
}

export interface Store {
  /** `memory` is one node's own; `redis` is shared by all nodes. */
  readonly kind: 'memory' | 'redis'
  /** False while calls would fail at once (the breaker around Redis is open). */
  readonly available: boolean
  /**
   * Runs a script on a key.
   *
   * @throws SluiceError SLUICE_STORE_TIMEOUT after the deadline, SLUICE_STORE_UNAVAILABLE at once while Redis is
   * known to be away. In both cases the script may still have run.
   */
  run<Result>(script: StoreScript<Result>, key: string, args: readonly (string | number)[]): Promise<Result>
  /** Sends a message to every node that watches the channel, this one too; lost where nobody listens. */
  publish(channel: string, message: string): Promise<void>
  /** Hears a channel until the returned function is called. */
  watch(channel: string, hear: (message: string) => void): () => void
  /** Is told when the store goes away and when it is back. Returns the end of the subscription. */
  onAvailability(hear: (available: boolean) => void): () => void
  close(): Promise<void>
}
