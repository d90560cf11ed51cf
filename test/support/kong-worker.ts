/**
 * One worker of Kong as far as its plugin server sees it: a pool of connections, an instance that it starts itself, and
 * what it does when a connection closes or an instance is not known. From kong/runloop/plugin_servers at 3.9.3.
 */
import {
  connectMsgpack,
  connectProtobuf,
  type EventResult,
  type KongConnection,
  type Script,
} from './fake-kong.ts'

export interface KongWorker {
  /** Events repeated on another connection. */
  readonly repeats: number
  /** Runs an event as a request would; throws where Kong would answer the client 500. */
  event(phase: string, script?: Script): Promise<EventResult>
  /** A change of Kong's configuration: the next event starts a new instance. */
  reset(config: unknown): void
  close(): void
}

export function createKongWorker(
  protocol: 'ProtoBuf:1' | 'MsgPack:1',
  socket: string,
  plugin: string,
  initialConfig: unknown,
): KongWorker {
  const dial = protocol === 'ProtoBuf:1' ? connectProtobuf : connectMsgpack
  const idle: KongConnection[] = []
  let config = initialConfig
  let instance: Promise<number> | undefined
  let repeats = 0

  const take = async (): Promise<KongConnection> => {
    for (;;) {
      const pooled = idle.pop()
      if (!pooled) return await dial(socket)
      // nginx drops a connection that closes while it is in the pool.
      if (pooled.open) return pooled
      pooled.close()
    }
  }
  /** A StartInstance is not repeated: its failure is the client's 500. */
  const start = async (): Promise<number> => {
    const connection = await take()
    const id = await connection.startInstance(plugin, config)
    idle.push(connection)
    return id
  }

  const giveBack = (connection: KongConnection) => {
    if (connection.open) idle.push(connection)
    else connection.close()
  }

  return {
    get repeats() {
      return repeats
    },
    async event(phase, script) {
      for (;;) {
        instance ??= start()
        const used = instance
        const id = await used
        const connection = await take()
        const result = await connection.event(id, phase, script)
        if (result.outcome === 'ended' || result.outcome === 'exited') {
          giveBack(connection)
          return result
        }
        if (result.outcome === 'error' && !/no plugin instance/.test(result.error!))
          throw new Error(result.error)
        giveBack(connection)
        if (instance === used) instance = undefined
        repeats++
      }
    },
    reset(next) {
      config = next
      instance = undefined
    },
    close() {
      for (const connection of idle.splice(0)) connection.close()
    },
  }
}
