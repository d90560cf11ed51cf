/**
 * What one event says to Kong: reads are asked for together and remembered, writes are gathered and go out with the
 * event's end.
 */
import { SluiceError } from '../../foundation/errors.ts'
import type { Exchange, Method, Protocol, ReplySink } from '../../protocol/calls.ts'
import { statusText } from '../../protocol/error-answers.ts'
import type { Phase } from '../../protocol/pdk/phases.ts'
import { callsOf, phasesOf, rowOf } from '../../protocol/pdk/table.ts'
import type { LoopbackOrigin } from '../../sdk/loopback.ts'
import type { Loopback } from '../loopback/loopback.ts'
import {
  type HeaderFields,
  mergeHeaderWrites,
  mergeRequestWrites,
  overlayHeaders,
  type Write,
} from './header-writes.ts'
import { REQUEST_ID_READS, requestIdIn } from './request-id.ts'

/** Thrown by `exit` to leave the handler; not a failure. One for all: a stack a rejection would cost too much. */
export const EXIT = Object.assign(new Error('kong.response.exit ended the handler'), { name: 'KongExit' })

export interface ExitAnswer {
  /** `kong.response.exit` or `kong.response.error`. */
  readonly method: Method
  readonly status: number
  readonly body: string | Uint8Array
  readonly headers: HeaderFields
}

/** Whose conversation it is. */
export interface ConversationOwner {
  /** Undefined where calls through Kong's proxy are not set up. */
  readonly loopback: Loopback | undefined
  /** The handler goes on with an answer of Kong's. */
  resumed(): void
  /** Kong is gone, and will not answer. */
  abandoned(reason: string): void
  /** The request is to end, wherever that was asked for: the answer is complete now. */
  exited(): void
  /**
   * A call was refused after which the request must not go on: it was to end the request, or Kong itself would have
   * ended it there.
   *
   * @param answer what the client gets, unless failures are to be passed over.
   */
  refused(error: unknown, answer: ExitAnswer | undefined): void
}

/** For a client whose denial could not be written as its plugin wanted it. */
const UNDELIVERABLE: ExitAnswer = { method: 'kong.response.exit', status: 500, body: '', headers: {} }

/** How far the writes of an event have come, to undo those behind it. */
export type WriteMark = readonly [writes: number, responseWrites: number]

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
    try {
      if (value instanceof Error) throw value
      this.#resolve(rowOf(this.#method).decode(value))
    } catch (error) {
      this.fail(error)
    }
  }

  lost(reason: string): void {
    this.#conversation.lost(reason)
  }

  fail(error: unknown): void {
    // The handler may not be waiting for it.
    this.promise.catch(() => {})
    this.#reject(error)
  }
}

const RESOLVED = Promise.resolve()

const CALLS_OF: Readonly<Record<Phase, ReadonlySet<Method>>> = {
  certificate: callsOf('certificate'),
  rewrite: callsOf('rewrite'),
  access: callsOf('access'),
  response: callsOf('response'),
  preread: callsOf('preread'),
  log: callsOf('log'),
}

export class Conversation {
  /** Writes after which the event waited for Kong. */
  roundTrips = 0
  /** Why a write could not be sent; its arguments had passed their checks, so this is a fault of ours. */
  fault: unknown
  /** What the client gets when a call was refused; the owner's own answer where there is none. */
  refusalAnswer: ExitAnswer | undefined
  /** Where the request comes from, once that was asked: a stamp is accepted once. */
  origin: Promise<LoopbackOrigin | undefined> | undefined
  readonly #exchange: Exchange
  readonly #phase: Phase
  readonly #allowed: ReadonlySet<Method>
  readonly #owner: ConversationOwner
  #remembered: Map<string, Promise<unknown>> | undefined
  #asked: Ask[] = []
  #writes: Write[] = []
  /** Apart from the other writes: before the response phase no read can see them. */
  #responseWrites: Write[] = []
  #exit: ExitAnswer | undefined
  /** The handler asked for the exit, and can say nothing more. */
  #exitAsked = false
  /** The exit's answer will be replaced by a better one, for which Kong is being asked. */
  #refining = false
  #over = false
  /** Kong has the end of the event already; answers to what was asked may still come. */
  #ended = false
  #flushing = false

  constructor(exchange: Exchange, phase: Phase, owner: ConversationOwner) {
    this.#exchange = exchange
    this.#phase = phase
    this.#allowed = CALLS_OF[phase]
    this.#owner = owner
  }

  /** Kong has been asked, and its answer has not been read yet. */
  get waiting(): boolean {
    return this.#asked.length > 0
  }

  get protocol(): Protocol {
    return this.#exchange.protocol
  }

  get exited(): boolean {
    return this.#exit !== undefined
  }

  /** The exit's answer is not complete yet; `exited` of the owner is called when it is. */
  get refining(): boolean {
    return this.#refining
  }

  get loopback(): Loopback | undefined {
    return this.#owner.loopback
  }

  /** Whether the phase can still answer the client. */
  get canExit(): boolean {
    return this.#allowed.has('kong.response.exit')
  }

  /** Asks Kong, once: what was asked before with the same arguments is answered from memory. */
  read<T>(method: Method, args: readonly unknown[]): Promise<T> {
    const key = keyOf(method, args)
    const known = this.#remembered?.get(key)
    if (known) return known as Promise<T>
    const asked = this.ask<T>(method, args)
    if (this.#over) return asked
    this.#remembered ??= new Map()
    this.#remembered.set(key, asked)
    return asked
  }

  remembers(method: Method, args: readonly unknown[]): boolean {
    return this.#remembered?.has(keyOf(method, args)) === true
  }

  /** How many different reads of these methods are remembered. */
  readsOf(...methods: readonly Method[]): number {
    let count = 0
    for (const key of this.#remembered?.keys() ?? [])
      if (methods.includes(key.split(' ')[0] as Method)) count++
    return count
  }

  /** After a change of what was read. */
  forgetReads(): void {
    this.#remembered?.clear()
  }

  /** After a change that shows in this read only; without arguments: in all reads of the method. */
  forgetRead(method: Method, args?: readonly unknown[]): void {
    if (args) this.#remembered?.delete(keyOf(method, args))
    else
      for (const key of this.#remembered?.keys() ?? [])
        if (key.split(' ')[0] === method) this.#remembered?.delete(key)
  }

  /** Asks Kong every time. Several asks in one turn go out in one write. */
  ask<T>(method: Method, args: readonly unknown[]): Promise<T> {
    this.#permit(method)
    if (this.#isShut) return Promise.reject(this.#closed(method))
    this.#sendWrites()
    if (this.#phase === 'response') this.#sendResponseWrites()
    const ask = new Ask(method, this)
    this.#exchange.call(method, args, ask)
    this.#asked.push(ask)
    if (!this.#flushing) {
      this.#flushing = true
      // Not queueMicrotask, which makes an async resource each time.
      void RESOLVED.then(this.#flush)
    }
    return ask.promise as Promise<T>
  }

  readonly #flush = () => {
    this.#flushing = false
    if (this.#isShut) return
    this.roundTrips++
    this.#exchange.flush()
  }

  answered(ask: Ask): void {
    this.#asked.splice(this.#asked.indexOf(ask), 1)
    this.#owner.resumed()
  }

  /** Kong's id of the request; undefined where there is none. */
  async requestId(): Promise<string | undefined> {
    const read = REQUEST_ID_READS[this.#phase]
    return read && requestIdIn(await this.read(...read))
  }

  /**
   * Tells Kong's id of the request once, for a log line; nothing waits for it. It is taken from what was read, or
   * asked for with the next write or the event's end.
   *
   * @param tell gets undefined where it can't be known; may never be called when Kong goes away.
   */
  tellRequestId(tell: (id: string | undefined) => void): void {
    const read = REQUEST_ID_READS[this.#phase]
    const known = read && this.#remembered?.get(keyOf(...read))
    if (known)
      known.then(
        value => tell(requestIdIn(value)),
        () => tell(undefined),
      )
    // In MsgPack each call is a round trip of its own, which the client's answer would wait for.
    else if (!read || this.#isShut || this.#exchange.protocol === 'MsgPack:1') tell(undefined)
    else this.#exchange.call(...read, { reply: value => tell(requestIdIn(value)) })
  }

  /** A call whose answer is of no interest; goes out with the next read, or with the end. */
  tell(method: Method, args: readonly unknown[]): void {
    this.#permit(method)
    if (this.#isShut) throw this.#closed(method)
    this.#writes.push({ method, args })
  }

  /** A change of the response; all of them go out with the end. */
  tellResponse(method: Method, args: readonly unknown[]): void {
    this.#permit(method)
    if (this.#isShut) throw this.#closed(method)
    this.#responseWrites.push({ method, args })
    if (this.#phase === 'response') this.forgetReads()
  }

  mark(): WriteMark {
    return [this.#writes.length, this.#responseWrites.length]
  }

  /** Forgets the writes behind the mark that were not sent yet: those of a handler that failed. */
  rollback([writes, responseWrites]: WriteMark): void {
    this.#writes.length = Math.min(this.#writes.length, writes)
    this.#responseWrites.length = Math.min(this.#responseWrites.length, responseWrites)
  }

  /**
   * Ends the request with this answer. The caller leaves the handler; wherever that is, the answer is delivered.
   *
   * @param better a more exact answer, for which Kong is being asked; the given one stands if it doesn't come.
   */
  exit(answer: ExitAnswer, better?: Promise<ExitAnswer>): void {
    this.#permit(answer.method)
    if (this.#over) throw this.#closed(answer.method)
    this.#exit = answer
    this.#exitAsked = true
    if (better) void this.#refine(better)
    else this.#owner.exited()
  }

  async #refine(better: Promise<ExitAnswer>): Promise<void> {
    this.#refining = true
    try {
      this.#exit = await better
    } catch {
      // The given answer stands.
    }
    this.#refining = false
    this.#owner.exited()
  }

  /** Tells the owner that a call was refused with which the request must not go on. */
  refuse(error: unknown): void {
    if (!this.#over && !this.#exit) this.#owner.refused(error, this.refusalAnswer)
  }

  /** Sets the answer, or takes an exit back, as a failure policy wants it. */
  replaceExit(answer: ExitAnswer | undefined): void {
    this.#exit = answer
  }

  /**
   * Writes what was gathered, the exit if there is one, and the event's end.
   *
   * @param failsClosed answer 500 where a write can't be sent, for it may be what protects the service.
   */
  end(failsClosed = false): void {
    if (this.#over) return
    this.#over = true
    if (!this.#ended) this.#sendEnd(failsClosed)
    this.#failAsked('its event has ended')
  }

  #sendEnd(failsClosed: boolean): void {
    this.#sendWrites()
    if (!this.#exit) this.#sendResponseWrites()
    if (this.fault !== undefined && failsClosed && this.canExit) this.#exit ??= UNDELIVERABLE
    if (this.#exit) this.#sendExit(this.#exit)
    this.#exchange.end()
  }

  /**
   * Ends the event in the same write as what was asked so far, so that Kong waits for nothing more; nothing can be said
   * behind it. Does nothing in MsgPack:1, where Kong answers one question at a time.
   */
  endWithReads(): void {
    if (this.protocol !== 'ProtoBuf:1' || !this.waiting) return
    this.#ended = true
    this.roundTrips++
    this.#exchange.end()
  }

  /** A reply will not come. */
  lost(reason: string): void {
    this.#owner.abandoned(reason)
  }

  /**
   * Goes on where this one is: it knows what was read and has what was written, while this one says nothing more. So
   * a handler that is late can be left behind; what it still asks for is answered, for those who go on share it.
   */
  succeed(): Conversation {
    const next = new Conversation(this.#exchange, this.#phase, this.#owner)
    next.roundTrips = this.roundTrips
    next.fault = this.fault
    next.origin = this.origin
    next.#ended = this.#ended
    next.#remembered = this.#remembered
    next.#asked = this.#asked
    next.#writes = this.#writes
    next.#responseWrites = this.#responseWrites
    this.#over = true
    return next
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
    for (const write of mergeRequestWrites(this.#writes)) this.#say(write)
    this.#writes = []
  }

  #sendResponseWrites(): void {
    if (this.#responseWrites.length === 0) return
    for (const write of mergeHeaderWrites(this.#responseWrites)) this.#say(write)
    this.#responseWrites = []
  }

  /** Headers that were set before belong to the answer: they travel with it where one call can say both. */
  #sendExit(exit: ExitAnswer): void {
    const merged = mergeHeaderWrites(this.#responseWrites)
    let { headers } = exit
    const [first] = merged
    if (merged.length === 1 && first?.method === 'kong.response.set_headers')
      headers = overlayHeaders(first.args[0] as HeaderFields, headers)
    else for (const write of merged) this.#say(write)
    // A nil in the middle would cut the arguments off, so an error without a message gets the status's own words.
    const isError = exit.method === 'kong.response.error'
    const body = isError && exit.body === '' ? statusText(exit.status) : exit.body
    const said = this.#say({ method: exit.method, args: [exit.status, body, headers] })
    if (!said) this.#say({ method: UNDELIVERABLE.method, args: [UNDELIVERABLE.status, '', {}] })
  }

  /** @returns false for what can't be written: the event must end whatever its arguments were. */
  #say({ method, args }: Write): boolean {
    try {
      this.#exchange.call(method, args)
      return true
    } catch (error) {
      this.fault ??= error
      return false
    }
  }

  /** @throws EXIT after an exit; SLUICE_PDK_PHASE where the phase does not allow the call. */
  permitInPhase(method: Method): void {
    if (this.#exitAsked) throw EXIT
    if (!this.#allowed.has(method))
      throw new SluiceError(
        'SLUICE_PDK_PHASE',
        `${method} is not allowed in the ${this.#phase} phase, only in: ${phasesOf(method).join(', ') || 'none'}`,
      )
  }

  #permit(method: Method): void {
    this.permitInPhase(method)
    if (rowOf(method).wire === null && this.#exchange.protocol === 'ProtoBuf:1')
      throw new SluiceError(
        'SLUICE_PDK_PROTOCOL',
        `${method} does not exist in ProtoBuf:1, only in MsgPack:1`,
      )
  }

  /** Nothing more can be said to Kong. */
  get #isShut(): boolean {
    return this.#over || this.#ended
  }

  #closed(method: Method): SluiceError {
    if (this.#ended)
      return new SluiceError(
        'SLUICE_PDK_CLOSED',
        `${method} was called where the plugin's \`endsLogFirst\` allows nothing but the reads of \`needs.log\``,
      )
    return new SluiceError('SLUICE_PDK_CLOSED', `${method} was called after its event had ended`)
  }
}

function keyOf(method: Method, args: readonly unknown[]): string {
  return args.length === 0 ? method : `${method} ${JSON.stringify(args)}`
}
