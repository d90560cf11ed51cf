/**
 * Shared state as plugins see it: scripts that read and change the fields of one key, atomically.
 *
 * A script exists in two forms that give the same answers: Lua for Redis, and `apply` for memory. One key is one
 * hash in Redis, so a script touches one slot and runs on Redis Cluster as it is.
 */
export interface StoreScript<Result, Args = readonly StoredValue[]> {
  /** Unique, lower case with dashes: the name of the script in logs. */
  readonly name: string
  /** KEYS[1] is the key, ARGV the arguments. Takes its time from Redis (`TIME`), not from a node. */
  readonly lua: string
  /** Turns arguments that are not an array of strings and numbers into ARGV. */
  encode?(args: Args): readonly StoredValue[]
  /** The same in memory. `nowMicros` is in microseconds since the epoch, as the Lua form has it. */
  apply(hash: StoredHash, args: Args, nowMicros: number): ScriptOutcome<Result>
  /** Turns the reply of the Lua form into the result. */
  decode(reply: ScriptReply): Result
}

/** A value of ARGV. */
export type StoredValue = string | number
/** Redis holds text only; memory keeps numbers and lists as they are: nothing is formatted and parsed in between. */
export type StoredHash = Map<string, StoredValue | readonly number[]>

/** What the Lua form returns: a list, or one text, which costs a busy connection less. */
export type ScriptReply = ScriptList | string
export type ScriptList = readonly (string | number | null)[]

export interface ScriptOutcome<Result> {
  readonly result: Result
  /** When the key may be forgotten, in milliseconds from now. A hash that is left empty is forgotten at once. */
  readonly expireInMs: number
}

/** Bytes under a key. */
export interface StoredBytes {
  readonly bytes: Uint8Array
  /** How long the store keeps them yet, milliseconds: by its clock, so that the clocks of nodes need not agree. */
  readonly expiresInMs: number
}

/** The processes that share a store. */
export interface Peers {
  /**
   * Nodes that live, at least 1; several processes of one node are one. Until all that live have been heard, and while
   * nobody has been heard, at least as many as the settings expect.
   */
  readonly nodes: number
  /** Processes that live, likewise. */
  readonly processes: number
  /** False while there may be some that this process has not heard of, or that have not heard of it. */
  readonly isSettled: boolean
}

export interface Store {
  /** `memory` is one node's own; `redis` is shared by all nodes. */
  readonly kind: 'memory' | 'redis'
  /**
   * The same store for callers that had better wait than do without it: its calls wait longer, and for a connection
   * that is being made. It fails for itself: while this one does not answer in time, that one may.
   */
  readonly patient: Store
  /** Who shares the store. */
  readonly peers: Peers
  /** False while a part of the store is known to be away: its calls then fail at once. */
  readonly available: boolean
  /** Why a part of the store is away, in one sentence without secrets; undefined while none is. */
  readonly problem?: string | undefined
  /** Calls of the last minute that the store refused while it served others, and what to do, in one sentence. */
  readonly fault?: string | undefined
  /** False while a call for this key would fail at once. Costs no more than a look. */
  canReach(key: string): boolean
  /**
   * Runs a script on a key. Memory gives the result itself, Redis a promise: `await` serves both, and a caller that
   * must not yield can look.
   *
   * Put the part of the key that decides its slot in braces: `{sluice:qos:…}`.
   *
   * @param onLate called at the deadline with the answer that is on its way still: it may come late, or never.
   * @throws SluiceError SLUICE_STORE_TIMEOUT after the deadline, SLUICE_STORE_UNAVAILABLE at once while Redis is
   * known to be away (as a rejected promise). In both cases the script may still run.
   */
  run<Result, Args>(
    script: StoreScript<Result, Args>,
    key: string,
    args: Args,
    onLate?: (answer: Promise<Result>) => void,
  ): Result | Promise<Result>
  /** Reads bytes, all keys at one moment; they must lie on one slot. @throws as `run` */
  readBytes(keys: readonly string[]): Promise<readonly (StoredBytes | undefined)[]>
  /** Puts bytes in the place of what was there. @throws as `run` */
  writeBytes(key: string, bytes: Uint8Array, expireInMs: number): Promise<void>
  /** Sends a message to every node that watches the channel, this one too; lost if nobody listens. */
  publish(channel: string, message: string): Promise<void>
  /**
   * Subscribes to a channel until the returned function is called.
   *
   * @param onListening called when messages begin to arrive, and with false when they may be lost from then on.
   */
  watch(
    channel: string,
    hear: (message: string) => void,
    onListening?: (isListening: boolean) => void,
  ): () => void
  /** Called when the store becomes unavailable and when it is back. Returns the end of the subscription. */
  onAvailability(hear: (available: boolean) => void): () => void
  /** Waits until the store can be used; false when it can't within that time. */
  ready(withinMs: number): Promise<boolean>
  /** The keys that begin with the prefix: a walk over everything, for operators, never for a request. */
  keys(prefix: string): AsyncIterable<string>
  close(): Promise<void>
}
