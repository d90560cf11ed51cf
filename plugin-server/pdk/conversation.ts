/**
 * What one event says to Kong: reads are asked for together and remembered, writes are gathered and go out with the
 * event's end.
 */
import { SluiceError } from '../errors.ts'
import type { Exchange, Method, ReplySink } from '../transport/calls.ts'
import { decodeReply } from './replies.ts'

/** Thrown by `exit` to leave the handler; not a failure. One for all: a stack a rejection would cost too much. */
export const EXIT = Object.assign(new Error('kong.response.exit ended the handler'), { name: 'KongExit' })

export type HeaderValue = string | number | boolean | readonly (string | number | boolean)[]

interface ExitAnswer {
  readonly status: number
  readonly body: string | Uint8Array
  readonly headers: Readonly<Record<string, string | readonly string[]>>
}

interface Write {
  readonly method: Method
  readonly args: readonly unknown[]
}

class Ask implements ReplySink {
  readonly promise: Promise<unknown>
  readonly #method: Method
  readonly #conversation: Conversation
  #resolve!: (value: unknown) => void
  #reject!: (error: unknown) => void

  constructor(method: Method, conversation: Conversation) {
    this.#method = method
    this.#conversation = conversation
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  reply(value: unknown): void {
    this.#conversation.answered(this)
    if (value instanceof Error) this.#reject(value)
    else this.#resolve(decodeReply(this.#method, value))
  }

  fail(error: Error): void {
    // The handler may not be waiting for it.
    this.promise.catch(() => {})
    this.#reject(error)
  }
}

export class Conversation {
  /** PDK calls of which the answer was awaited by Kong's side of the event: each write that waits is a round trip. */
  roundTrips = 0
  readonly #exchange: Exchange
  readonly #onResume: () => void
  #memo: Map<string, Promise<unknown>> | undefined
  #asked: Ask[] = []
  #writes: Write[] = []
  /** Response headers, apart from the other writes: no read of the access phase can see them. */
  #headers: Write[] = []
  #exit: ExitAnswer | undefined
  #over = false
  #flushing = false

  /** @param onResume is told before the handler goes on with an answer. */
  constructor(exchange: Exchange, onResume: () => void) {
    this.#exchange = exchange
    this.#onResume = onResume
  }

  get exited(): boolean {
    return this.#exit !== undefined
  }

  /** True once Kong has been given, or has taken, the end of the event. */
  get over(): boolean {
    return this.#over
  }

  /** Asks Kong, once: what was asked before with the same arguments is answered from memory. */
  read<T>(method: Method, args: readonly unknown[]): Promise<T> {
    const key = args.length === 0 ? method : `${method} ${JSON.stringify(args)}`
    const known = this.#memo?.get(key)
    if (known) return known as Promise<T>
    const asked = this.ask<T>(method, args)
    if (this.#over) return asked
    this.#memo ??= new Map()
    this.#memo.set(key, asked)
    return asked
  }

  /** Forgets the reads that a write may have changed. */
  forget(...methods: readonly Method[]): void {
    if (!this.#memo) return
    for (const key of this.#memo.keys())
      if (methods.some(method => key === method || key.startsWith(`${method} `))) this.#memo.delete(key)
  }

  /** Asks Kong every time. */
  ask<T>(method: Method, args: readonly unknown[]): Promise<T> {
    if (this.#exit) throw EXIT
    if (this.#over)
      return Promise.reject(
        new SluiceError('SLUICE_PDK_CLOSED', `${method} was called after its event had ended`),
      )
    this.#sendWrites()
    const ask = new Ask(method, this)
    this.#exchange.call(method, args, ask)
    this.#asked.push(ask)
    if (!this.#flushing) {
      this.#flushing = true
      queueMicrotask(this.#flush)
    }
    return ask.promise as Promise<T>
  }

  /** Sends what was asked so far at once, for reads that are asked for before the handler runs. */
  readonly #flush = () => {
    this.#flushing = false
    if (this.#over) return
    this.roundTrips++
    this.#exchange.flush()
  }

  answered(ask: Ask): void {
    this.#asked.splice(this.#asked.indexOf(ask), 1)
    this.#onResume()
  }

  /** A call whose answer is of no interest; goes out with the next read, or with the end. */
  tell(method: Method, args: readonly unknown[]): void {
    this.#refuseIfOver(method)
    this.#writes.push({ method, args })
  }

  /** A change of the response's headers; all of them go out with the end. */
  tellHeaders(method: Method, args: readonly unknown[]): void {
    this.#refuseIfOver(method)
    this.#headers.push({ method, args })
  }

  /** Where the writes stand, for `rollback`. */
  mark(): readonly [writes: number, headers: number] {
    return [this.#writes.length, this.#headers.length]
  }

  /** Forgets writes that were not sent yet, those of a handler that failed. */
  rollback([writes, headers]: readonly [number, number]): void {
    this.#writes.length = Math.min(this.#writes.length, writes)
    this.#headers.length = Math.min(this.#headers.length, headers)
  }

  /** Ends the request with this answer once the handler is left. */
  exit(answer: ExitAnswer): never {
    this.#refuseIfOver('kong.response.exit')
    this.#exit = answer
    throw EXIT
  }

  /** Takes an exit back, or replaces it, when the failure policy decides otherwise. */
  replaceExit(answer: ExitAnswer | undefined): void {
    this.#exit = answer
  }

  /** Writes what was gathered, the exit if there is one, and the event's end. */
  end(): void {
    if (this.#over) return
    this.#over = true
    this.#sendWrites()
    const exchange = this.#exchange
    const headers = mergeHeaders(this.#headers)
    const exit = this.#exit
    if (exit) {
      const only = headers.length === 1 && headers[0]!.method === 'kong.response.set_headers'
      if (!only) for (const write of headers) exchange.call(write.method, write.args)
      const before = only ? (headers[0]!.args[0] as ExitAnswer['headers']) : {}
      exchange.call('kong.response.exit', [exit.status, exit.body, overlay(before, exit.headers)])
    } else for (const write of headers) exchange.call(write.method, write.args)
    exchange.end()
    this.#failAsked('its event has ended')
  }

  /** Kong is gone: nothing can be said any more. */
  abandon(reason: string): void {
    if (this.#over) return
    this.#over = true
    this.#failAsked(reason)
  }

  #failAsked(reason: string): void {
    if (this.#asked.length === 0) return
    const error = new SluiceError('SLUICE_PDK_CLOSED', `a PDK call was not answered: ${reason}`)
    for (const ask of this.#asked.splice(0)) ask.fail(error)
  }

  #sendWrites(): void {
    if (this.#writes.length === 0) return
    for (const write of this.#writes) this.#exchange.call(write.method, write.args)
    this.#writes = []
  }

  #refuseIfOver(method: Method): void {
    if (this.#exit) throw EXIT
    if (this.#over)
      throw new SluiceError('SLUICE_PDK_CLOSED', `${method} was called after its event had ended`)
  }
}

/** Joins neighbouring `set_header` and `set_headers` calls into one; a later value replaces an earlier one. */
function mergeHeaders(writes: readonly Write[]): Write[] {
  if (writes.length === 0) return []
  const merged: Write[] = []
  let names: Map<string, [name: string, value: unknown]> | undefined
  const close = () => {
    if (names)
      merged.push({ method: 'kong.response.set_headers', args: [Object.fromEntries(names.values())] })
    names = undefined
  }
  for (const write of writes) {
    const { method, args } = write
    if (method === 'kong.response.set_header') {
      names ??= new Map()
      names.set(String(args[0]).toLowerCase(), [String(args[0]), args[1]])
    } else if (method === 'kong.response.set_headers') {
      names ??= new Map()
      for (const [name, value] of Object.entries(args[0] as object))
        names.set(name.toLowerCase(), [name, value])
    } else {
      close()
      merged.push(write)
    }
  }
  close()
  return merged
}

/** Header names are one whatever their case; `above` wins. */
function overlay(below: ExitAnswer['headers'], above: ExitAnswer['headers']): ExitAnswer['headers'] {
  const names = Object.keys(below)
  if (names.length === 0) return above
  const taken = new Set(Object.keys(above).map(name => name.toLowerCase()))
  const kept = names.filter(name => !taken.has(name.toLowerCase())).map(name => [name, below[name]!] as const)
  return { ...Object.fromEntries(kept), ...above }
}
