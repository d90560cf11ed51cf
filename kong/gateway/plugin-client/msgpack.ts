import type { Socket } from 'node:net'
import { Unpackr } from 'msgpackr'
import { messageOf } from '../../../foundation/errors.ts'
import { MsgpackStream } from '../../../protocol/msgpack-stream.ts'
import { Nil, type PdkEvent, type PdkHost } from '../pdk/call.ts'
import { answerCall, ENDING_METHODS, PDK_METHODS } from '../pdk/pdk.ts'
import { ConnectionPool, type SocketUser } from './connections.ts'
import { MapTable, pack } from './pack.ts'
import { ENDED, type EventOutcome, EXITED, type PluginProtocol, type ProtocolOptions } from './protocol.ts'

const MAX_MESSAGE_BYTES = 1 << 30

type CallEnd =
  | { readonly kind: 'answered'; readonly result: unknown }
  | { readonly kind: 'refused' | 'failed'; readonly error: string }

const REQUEST = 0
const RESPONSE = 1
const NOTIFICATION = 2

/** One connection of Kong's in MsgPack:1: a call and its answer at a time, of any event. */
class MsgpackConnection implements SocketUser {
  readonly #socket: Socket
  readonly #notify: (label: string, argument: unknown) => void
  readonly #stream = new MsgpackStream(MAX_MESSAGE_BYTES)
  readonly #unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' })
  #id = 0
  #end: ((end: CallEnd) => void) | undefined

  constructor(socket: Socket, notify: (label: string, argument: unknown) => void) {
    this.#socket = socket
    this.#notify = notify
  }

  call(id: number, method: string, argument: unknown): Promise<CallEnd> {
    return new Promise(resolve => {
      this.#id = id
      this.#end = resolve
      this.#socket.write(pack([REQUEST, id, `plugin.${method}`, [argument]]))
    })
  }

  data(chunk: Buffer): void {
    try {
      this.#stream.push(chunk, bytes => {
        this.#take(this.#unpackr.unpack(bytes) as unknown[])
        return true
      })
    } catch (error) {
      this.#settle({ kind: 'failed', error: messageOf(error) })
    }
  }

  lost(error: string): void {
    // Kong's reader only learns that nothing came.
    this.#settle({ kind: 'failed', error: error === 'closed' || error === 'timeout' ? 'no data' : error })
  }

  #take([type, id, error, result]: unknown[]): void {
    if (type === NOTIFICATION) this.#notify(String(id), error)
    else if (type !== RESPONSE || id !== this.#id)
      this.#settle({ kind: 'failed', error: 'unexpected RPC response ID from Go plugin server' })
    else if (error !== null && error !== undefined) this.#settle({ kind: 'refused', error: String(error) })
    else this.#settle({ kind: 'answered', result })
  }

  #settle(end: CallEnd): void {
    const settle = this.#end
    this.#end = undefined
    settle?.(end)
  }
}

const MULTI_MAP = 'StepMultiMap'
const STEPS: Readonly<Record<string, string>> = {
  'kong.client.get_credential': 'StepCredential',
  'kong.client.load_consumer': 'StepConsumer',
  'kong.client.get_consumer': 'StepConsumer',
  'kong.client.authenticate': 'StepCredential',
  'kong.node.get_memory_stats': 'StepMemoryStats',
  'kong.router.get_route': 'StepRoute',
  'kong.router.get_service': 'StepService',
  'kong.request.get_query': MULTI_MAP,
  'kong.request.get_headers': MULTI_MAP,
  'kong.response.get_headers': MULTI_MAP,
  'kong.service.response.get_headers': MULTI_MAP,
}

interface Step {
  readonly EventId?: unknown
  readonly Data?: 'ret' | { readonly Method: string; readonly Args?: readonly unknown[] }
}

export interface MsgpackOptions extends ProtocolOptions {
  /** The plugin server told another process id: its instances are gone. */
  readonly onServerChange: () => void
  readonly onUnknownMethod: (method: string) => void
}

/** Kong's side of MsgPack:1 for one plugin. */
export function createMsgpackProtocol(options: MsgpackOptions): PluginProtocol {
  const { plugin, socketPath, patienceMs, host } = options
  let serverPid: number | undefined
  let id = 0
  const pool = new ConnectionPool(
    socketPath,
    patienceMs,
    socket =>
      new MsgpackConnection(socket, (label, argument) => {
        if (label !== 'serverPid') return
        const pid = Number(argument)
        if (serverPid !== undefined && serverPid !== pid) options.onServerChange()
        serverPid = pid
      }),
  )

  async function call(method: string, argument: unknown): Promise<unknown> {
    const connection = pool.take()
    const end = await connection.call(++id, method, argument)
    if (end.kind === 'failed') pool.drop(connection)
    else pool.giveBack(connection)
    if (end.kind !== 'answered') throw new Error(end.error)
    return end.result
  }

  async function handleEvent(instanceId: number, event: PdkEvent): Promise<EventOutcome> {
    let step: Step | null | undefined
    try {
      step = (await call('HandleEvent', { InstanceId: instanceId, EventName: event.phase })) as Step | null
    } catch (error) {
      return { kind: 'failed', error: messageOf(error) }
    }
    const eventId = step?.EventId
    while (step && step.Data !== 'ret') {
      const { Method: method = '', Args: args } = step.Data ?? {}
      let answer: StepAnswer | undefined
      try {
        answer = await stepOf(method, args, event, host, options.onUnknownMethod)
      } catch (error) {
        return { kind: 'raised', error: messageOf(error) }
      }
      if (!answer) return EXITED
      try {
        step = (await call(answer.step, { EventId: eventId, Data: answer.data })) as Step | null
      } catch (error) {
        return { kind: 'failed', error: messageOf(error) }
      }
    }
    return ENDED
  }

  return {
    failsClosed: false,
    isRepeated: error => /no plugin instance/i.test(error),
    async startInstance(config) {
      const status = (await call('StartInstance', { Name: plugin, Config: config })) as { Id: number } | null
      if (!status) throw new Error('the plugin server gave no instance')
      return status.Id
    },
    async closeInstance(instanceId) {
      await call('CloseInstance', instanceId).catch(() => {})
    },
    handleEvent,
    close: () => pool.close(),
  }
}

/** A nil hides what follows it from Lua's `unpack`. */
function truncated(args: readonly unknown[] | undefined): readonly unknown[] {
  if (!Array.isArray(args)) return args === undefined || args === null ? [] : [args]
  const nil = args.findIndex(argument => argument === null || argument === undefined)
  return nil < 0 ? args : args.slice(0, nil)
}

export interface StepAnswer {
  /** The RPC method that carries it. */
  readonly step: string
  /** Undefined for nil, which leaves the field out. */
  readonly data: unknown
}

/**
 * How Kong answers a call: undefined when it never does, since the request has ended.
 *
 * @throws where Kong raises.
 */
export async function stepOf(
  name: string,
  args: readonly unknown[] | undefined,
  event: PdkEvent,
  host: PdkHost,
  onUnknownMethod: (method: string) => void,
): Promise<StepAnswer | undefined> {
  const method = PDK_METHODS.get(name)
  const step = STEPS[name] ?? 'Step'
  if (!method) {
    onUnknownMethod(name)
    return { step, data: undefined }
  }
  const value = await answerCall(name, method, event, host, truncated(args))
  if (ENDING_METHODS.has(name)) return undefined
  if (value instanceof Nil) {
    // Kong's encoder can't make bytes of a nil.
    if (name === 'kong.request.get_raw_body') throw new Error(value.error)
    return { step, data: undefined }
  }
  return { step, data: step === MULTI_MAP ? multiMap(value as Record<string, unknown>) : value }
}

/** A single value is a list of one, and an argument without a value an empty list. */
function multiMap(values: Readonly<Record<string, unknown>>): MapTable {
  return new MapTable(
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => [
        name,
        value === true ? [] : typeof value === 'string' ? [value] : value,
      ]),
    ),
  )
}
