/**
 * What a connection asks of the server, the same for both protocols: codecs and connections turn bytes into these
 * calls, and the runtime answers them.
 */
import type { Method } from './pdk/table.ts'

export type Protocol = 'ProtoBuf:1' | 'MsgPack:1'

export interface InstanceStatus {
  readonly name: string
  /** int32. */
  readonly id: number
  /** Seconds since the epoch. */
  readonly startedAt: number
}

export interface PluginInfo {
  readonly name: string
  readonly version: string
  readonly priority: number
  readonly phases: readonly string[]
  /** The schema as JSON. */
  readonly schema: string
  /** Seconds since the epoch. */
  readonly loadedAt: number
}

/** What the server answers. */
export interface CallHandler {
  /** True once a successor serves: no event begins here any more. */
  readonly draining: boolean
  pluginNames(): readonly string[]
  pluginInfo(name: string): PluginInfo | undefined
  /**
   * @param config JSON as Kong sent it.
   * @returns a promise whose rejection refuses the instance; its message reaches Kong's log over MsgPack.
   */
  startInstance(name: string, config: string): Promise<InstanceStatus>
  instanceStatus(id: number): InstanceStatus | undefined
  closeInstance(id: number): InstanceStatus | undefined
  /**
   * Begins an event. The handler speaks through the exchange until it has called `end`.
   *
   * @returns what the exchange calls when Kong goes away; undefined where the instance is unknown or the server
   * drains: nothing has been done then, and Kong repeats the event elsewhere.
   */
  handleEvent(instanceId: number, phase: string, exchange: Exchange): EventListener | undefined
}

/** One event's way to Kong. */
export interface Exchange {
  readonly protocol: Protocol
  /**
   * Adds a PDK call to what is to be written; `flush` or `end` sends it. Replies come in the order of the calls.
   *
   * @param reply absent if the answer is of no interest.
   */
  call(method: Method, args: readonly unknown[], reply?: ReplySink): void
  /** Sends the calls that were added. */
  flush(): void
  /**
   * Sends the calls that were added, and the end of the event. Nothing may follow. In ProtoBuf:1 their replies still
   * come.
   */
  end(): void
}

export interface ReplySink {
  /** The reply's value, as its type's codec gives it; `undefined` for nothing. */
  reply(value: unknown): void
  /** Kong closed the connection before it replied. */
  lost?(reason: string): void
}

export interface EventListener {
  /** Kong closed the connection, or will never answer: the event is over, whatever the handler still does. */
  abandoned(reason: string): void
}

export type { Method }
