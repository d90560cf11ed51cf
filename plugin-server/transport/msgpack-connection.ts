/**
 * One connection of MsgPack:1: `[0, id, method, [argument]]` in, `[1, id, error, result]` out.
 *
 * An event is not bound to its connection: HandleEvent begins it, and each answer of Kong's comes as a Step on
 * whichever connection is free. So events live beside the connections, under their own ids.
 */
import { Packr, Unpackr } from 'msgpackr'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import type { CallHandler, EventListener, Exchange, Method, ReplySink } from '../../protocol/calls.ts'
import { MsgpackStream } from '../../protocol/msgpack-stream.ts'
import { hasLongArgument, packCall } from './msgpack-pack.ts'
import type { Link } from './protobuf-connection.ts'

/** Answers one request of Kong's. */
type Answer = (error: string | null, result: unknown) => void

interface Queued {
  readonly method: Method
  readonly args: readonly unknown[]
  readonly sink: ReplySink | undefined
}

/** The events of a server that are under way, over all of its connections. */
export class MsgpackEvents {
  readonly #events = new Map<number, MsgpackExchange>()
  #next: number

  /** @param firstId random, so that ids do not repeat after a restart. */
  constructor(firstId: number) {
    this.#next = firstId
  }

  get size(): number {
    return this.#events.size
  }

  /** Forgets events whose coroutine in Kong ended silently; called once a minute. */
  sweep(): void {
    for (const [id, exchange] of this.#events) {
      if (!exchange.silent) continue
      this.#events.delete(id)
      exchange.listener?.abandoned('Kong has not answered for a minute')
    }
  }

  open(answer: Answer): MsgpackExchange {
    const id = this.#next
    this.#next = (id + 1) & 0x7fff_ffff
    const exchange = new MsgpackExchange(id, answer, () => this.#events.delete(id))
    this.#events.set(id, exchange)
    return exchange
  }

  find(id: number): MsgpackExchange | undefined {
    return this.#events.get(id)
  }
}

/** Kong's coroutine may have ended silently (a call that raised): then no answer is owed, and none can be sent. */
class MsgpackExchange implements Exchange {
  readonly protocol = 'MsgPack:1'
  readonly id: number
  listener: EventListener | undefined
  readonly #forget: () => void
  readonly #queue: Queued[] = []
  /** The request of Kong's that waits for our next word. */
  #answer: Answer | undefined
  #awaited: Queued | undefined
  #ended = false
  #heard = true

  constructor(id: number, answer: Answer, forget: () => void) {
    this.id = id
    this.#answer = answer
    this.#forget = forget
  }

  call(method: Method, args: readonly unknown[], sink?: ReplySink): void {
    if (!this.#ended) this.#queue.push({ method, args, sink })
  }

  flush(): void {
    this.#advance()
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.listener = undefined
    this.#advance()
  }

  /** True when Kong owes an answer, and has said nothing since this was asked before. */
  get silent(): boolean {
    const silent = !this.#heard && this.#answer === undefined
    this.#heard = false
    return silent
  }

  /** Kong's answer to the call that it was given last. */
  step(value: unknown, answer: Answer): void {
    this.#heard = true
    this.#answer = answer
    const awaited = this.#awaited
    this.#awaited = undefined
    awaited?.sink?.reply(value)
    this.#advance()
  }

  /** The call failed in Kong (`StepError`). */
  stepError(reason: string, answer: Answer): void {
    this.step(new SluiceError('SLUICE_PDK_ARGUMENT', reason), answer)
  }

  /** The event was never begun. */
  refuse(): void {
    this.#ended = true
    this.#answer = undefined
    this.#forget()
  }

  #advance(): void {
    const answer = this.#answer
    if (!answer) return
    const next = this.#queue.shift()
    if (next) {
      this.#answer = undefined
      this.#awaited = next
      // Kong never answers an exit: nothing more will come for this event.
      if (next.method === 'kong.response.exit' && this.#ended) this.#forget()
      answer(null, { EventId: this.id, Data: { Method: next.method, Args: next.args } })
      return
    }
    if (!this.#ended) return
    this.#answer = undefined
    this.#forget()
    answer(null, { EventId: this.id, Data: 'ret' })
  }
}

/** One a server: msgpackr's own buffers are shared by all connections. */
export interface MsgpackCodec {
  readonly packr: Packr
  readonly unpackr: Unpackr
}

export function createMsgpackCodec(): MsgpackCodec {
  return {
    packr: new Packr({ useRecords: false, encodeUndefinedAsNil: true, variableMapSize: true }),
    // Kong may send any number as 64 bits; a double holds what it counts.
    unpackr: new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' }),
  }
}

export interface MsgpackParts {
  readonly events: MsgpackEvents
  readonly codec: MsgpackCodec
  readonly maxMessageBytes: number
}

export class MsgpackConnection {
  readonly #link: Link
  readonly #handler: CallHandler
  readonly #events: MsgpackEvents
  readonly #codec: MsgpackCodec
  readonly #stream: MsgpackStream
  #closed = false

  constructor(link: Link, handler: CallHandler, { events, codec, maxMessageBytes }: MsgpackParts) {
    this.#link = link
    this.#handler = handler
    this.#events = events
    this.#codec = codec
    this.#stream = new MsgpackStream(maxMessageBytes)
  }

  /** @throws SLUICE_PROTOCOL_FRAME; the connection is of no use then. */
  push(chunk: Buffer): void {
    this.#stream.push(chunk, this.#take)
  }

  /** The peer is gone; its events go on over other connections. */
  closed(): void {
    this.#closed = true
  }

  readonly #take = (bytes: Buffer): boolean => {
    let message: unknown
    try {
      message = this.#codec.unpackr.unpack(bytes)
    } catch (error) {
      throw new SluiceError('SLUICE_PROTOCOL_FRAME', `malformed message: ${messageOf(error)}`)
    }
    if (!Array.isArray(message) || message[0] !== 0 || typeof message[2] !== 'string')
      throw new SluiceError(
        'SLUICE_PROTOCOL_FRAME',
        'a message that is not a call: [0, id, method, arguments]',
      )
    const [, id, method, args] = message as [0, unknown, string, unknown]
    const answer: Answer = (error, result) => {
      this.#write(id, error, result)
    }
    this.#serve(method, Array.isArray(args) ? args[0] : undefined, answer)
    return !this.#closed
  }

  #write(id: unknown, error: string | null, result: unknown): void {
    if (this.#closed) return
    const { packr } = this.#codec
    if (hasLongArgument(result)) this.#link.writeAll(packCall(packr, id, result))
    else this.#link.write(packr.pack([1, id, error, result]))
  }

  #serve(method: string, argument: unknown, answer: Answer): void {
    const fields = (argument ?? {}) as Readonly<Record<string, unknown>>
    const handler = this.#handler
    switch (method) {
      case 'plugin.StartInstance':
        handler.startInstance(String(fields.Name), asText(fields.Config)).then(
          status =>
            answer(null, { Name: status.name, Id: status.id, Config: null, StartTime: status.startedAt }),
          (error: unknown) => answer(messageOf(error), null),
        )
        return
      case 'plugin.CloseInstance': {
        const status = handler.closeInstance(Number(argument))
        answer(null, status ? { Name: status.name, Id: status.id } : null)
        return
      }
      case 'plugin.InstanceStatus': {
        const status = handler.instanceStatus(Number(argument))
        answer(null, status ? { Name: status.name, Id: status.id, StartTime: status.startedAt } : null)
        return
      }
      case 'plugin.HandleEvent': {
        const exchange = this.#events.open(answer)
        const listener = handler.handleEvent(Number(fields.InstanceId), String(fields.EventName), exchange)
        if (listener) exchange.listener = listener
        else {
          exchange.refuse()
          answer(`no plugin instance ${String(fields.InstanceId)}`, null)
          // Kong would keep the connection, and start its new instance on it.
          if (handler.draining) this.#link.end()
        }
        return
      }
      case 'plugin.Step':
      case 'plugin.StepCredential':
      case 'plugin.StepRoute':
      case 'plugin.StepService':
      case 'plugin.StepConsumer':
      case 'plugin.StepMemoryStats':
      case 'plugin.StepMultiMap':
      case 'plugin.StepError': {
        const eventId = Number(fields.EventId)
        const exchange = this.#events.find(eventId)
        // The event is a predecessor's, whose connections are in the same pool of Kong's: let Kong repeat it here.
        if (!exchange) answer(`no plugin instance knows the event ${eventId}`, null)
        else if (method === 'plugin.StepError') exchange.stepError(String(fields.Data), answer)
        else exchange.step(fields.Data, answer)
        return
      }
      default:
        answer(`there is no method ${method}`, null)
    }
  }
}

function asText(config: unknown): string {
  return Buffer.isBuffer(config) ? config.toString() : String(config)
}
