import { messageOf } from '../../../foundation/errors.ts'
import type { PdkEvent } from '../pdk/call.ts'
import { ConnectionPool } from './connections.ts'
import { MsgpackConnection } from './msgpack-connection.ts'
import { type PdkCall, stepOf } from './msgpack-steps.ts'
import { ENDED, type EventOutcome, EXITED, type PluginProtocol, type ProtocolOptions } from './protocol.ts'

interface Step {
  readonly EventId?: unknown
  readonly Data?: 'ret' | { readonly Method: string; readonly Args?: readonly unknown[] }
}

export interface MsgpackOptions extends ProtocolOptions {
  /** The plugin server reported another process id: its instances are gone. */
  readonly onServerChange: () => void
  readonly onUnknownMethod: (method: string) => void
}

/** Kong's side of MsgPack:1 for one plugin. */
export class MsgpackProtocol implements PluginProtocol {
  readonly failsClosed = false
  readonly #options: MsgpackOptions
  readonly #pool: ConnectionPool<MsgpackConnection>
  #serverPid: number | undefined
  #callId = 0

  constructor(options: MsgpackOptions) {
    this.#options = options
    const { socketPath, patienceMs } = options
    this.#pool = new ConnectionPool(
      socketPath,
      patienceMs,
      socket => new MsgpackConnection(socket, (label, argument) => this.#notified(label, argument)),
    )
  }

  isRepeated(error: string): boolean {
    return /no plugin instance/i.test(error)
  }

  async startInstance(config: string): Promise<number> {
    const status = await this.#call('StartInstance', { Name: this.#options.plugin, Config: config })
    if (!status) throw new Error('the plugin server gave no instance')
    return (status as { readonly Id: number }).Id
  }

  async closeInstance(instanceId: number): Promise<void> {
    await this.#call('CloseInstance', instanceId).catch(() => {})
  }

  async handleEvent(instanceId: number, event: PdkEvent): Promise<EventOutcome> {
    try {
      const first = await this.#step('HandleEvent', { InstanceId: instanceId, EventName: event.phase })
      return await this.#answerCalls(first, event)
    } catch (error) {
      return { kind: 'failed', error: messageOf(error) }
    }
  }

  close(): void {
    this.#pool.close()
  }

  /** Answers call after call until the plugin is done. @throws Error when the plugin server, or the way to it, fails */
  async #answerCalls(first: Step | undefined, event: PdkEvent): Promise<EventOutcome> {
    const { host, onUnknownMethod } = this.#options
    let step = first
    while (step && step.Data !== 'ret') {
      const { Method: name = '', Args: args } = step.Data ?? {}
      const call: PdkCall = { name, args }
      const answer = await stepOf(call, event, host, onUnknownMethod).catch((error: unknown) => ({
        raised: messageOf(error),
      }))
      if (!answer) return EXITED
      if ('raised' in answer) return { kind: 'raised', error: answer.raised }
      step = await this.#step(answer.step, { EventId: first?.EventId, Data: answer.data })
    }
    return ENDED
  }

  async #step(method: string, argument: unknown): Promise<Step | undefined> {
    return ((await this.#call(method, argument)) as Step | null) ?? undefined
  }

  async #call(method: string, argument: unknown): Promise<unknown> {
    const connection = this.#pool.take()
    const end = await connection.call(++this.#callId, method, argument)
    if (end.kind === 'failed') this.#pool.drop(connection)
    else this.#pool.giveBack(connection)
    if (end.kind !== 'answered') throw new Error(end.error)
    return end.result
  }

  #notified(label: string, argument: unknown): void {
    if (label !== 'serverPid') return
    const pid = Number(argument)
    if (this.#serverPid !== undefined && this.#serverPid !== pid) this.#options.onServerChange()
    this.#serverPid = pid
  }
}
