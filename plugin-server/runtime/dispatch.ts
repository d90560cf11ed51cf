/**
 * Runs one event: the phase handlers of an instance's members, in order, until one exits; within their deadlines, and
 * by their failure policies. Whatever a handler does, its event ends once, and no other event is touched.
 */

import { messageOf } from '../../foundation/errors.ts'
import type { EventListener, Exchange } from '../../protocol/calls.ts'
import type { Phase } from '../../protocol/pdk/phases.ts'
import type { InstanceScope, PhaseContext, Undo } from '../../sdk/definition.ts'
import type { FullKong } from '../../sdk/kong.ts'
import type { Loopback } from '../loopback/loopback.ts'
import {
  Conversation,
  type ConversationOwner,
  EXIT,
  type ExitAnswer,
  type WriteMark,
} from '../pdk/conversation.ts'
import { createPdk, prefetch } from '../pdk/pdk.ts'
import type { Deadline, Deadlines, Expiring } from './deadlines.ts'
import type { Outcome } from './event-counts.ts'
import type { Instance, Member, SharedContext } from './instances.ts'
import { LOG_DEADLINE_MS } from './member-deadlines.ts'
import type { EventMeter } from './meter.ts'
import type { RegisteredPlugin } from './registry.ts'

/** Kong's own answers may take longer, on a busy machine: giving up would not free Kong, and lose what is recorded. */
const LOG_PATIENCE_MS = 10_000

const UNAVAILABLE: ExitAnswer = {
  method: 'kong.response.exit',
  status: 503,
  body: JSON.stringify({
    type: 'about:blank',
    title: 'Service Unavailable',
    status: 503,
    detail: 'A gateway plugin failed, and its failure policy lets no request pass.',
  }),
  headers: { 'content-type': 'application/problem+json' },
}

export interface DispatchParts {
  readonly loopback: Loopback | undefined
  readonly deadlines: Deadlines
  readonly meter: EventMeter
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Called when an event that had begun is over. */
  readonly ended: () => void
}

/** Begins the event; the handlers' first steps have run when it returns. */
export function dispatch(
  instance: Instance,
  phase: Phase,
  exchange: Exchange,
  parts: DispatchParts,
): EventListener {
  const run = new EventRun(instance, phase, exchange, parts)
  run.begin()
  return run
}

class EventRun implements EventListener, Expiring, ConversationOwner {
  readonly #instance: Instance
  readonly #phase: Phase
  readonly #parts: DispatchParts
  #conversation: Conversation
  #pdk: FullKong
  readonly #startedAt: number
  #index = 0
  #mark: WriteMark = [0, 0]
  #deadline: Deadline | undefined
  #memberDeadline: Deadline | undefined
  /** How to take back what the members did, should the request go no further. */
  #undos: { readonly index: number; readonly undo: Undo }[] | undefined
  /** Members that failed or were late, and are passed over. */
  #passedOver: number[] | undefined
  /** Why members can't run, which their failure policies answer when it is their turn. */
  #unfit: Map<Member, unknown> | undefined
  #outcome: Outcome = 'ok'
  /** A handler is on the stack: what it asked for is seen to when it returns. */
  #inHandler = false
  #over = false
  /** The event is over, and the request did not go on. */
  #wentNoFurther = false

  constructor(instance: Instance, phase: Phase, exchange: Exchange, parts: DispatchParts) {
    this.#instance = instance
    this.#phase = phase
    this.#parts = parts
    this.#startedAt = parts.now()
    this.#conversation = new Conversation(exchange, phase, this)
    this.#pdk = createPdk(this.#conversation)
  }

  begin(): void {
    for (const member of this.#instance.members) {
      try {
        this.#askNeeds(member)
      } catch (error) {
        this.#unfit ??= new Map()
        this.#unfit.set(member, error ?? new Error('its needs threw nothing'))
      }
    }
    if (this.#phase === 'log' && this.#instance.endsLogFirst) this.#conversation.endWithReads()
    this.#next()
  }

  #askNeeds(member: Member): void {
    const needs = member.plugin.definition.needs?.[this.#phase]
    if (needs === undefined) return
    const list = typeof needs === 'function' ? needs(member.contextOf(this.#phase)) : needs
    for (const need of list) prefetch(this.#pdk, need)
  }

  /** Runs member after member, without a promise as long as their handlers are synchronous. */
  #next(): void {
    const { members } = this.#instance
    for (let member = members[this.#index]; member; member = members[++this.#index])
      if (!this.#run(member)) return
    this.#finish(this.#outcome)
  }

  /** @returns whether the next member runs now. */
  #run(member: Member): boolean {
    const handler = member.plugin.definition.phases[this.#phase]
    if (!handler) return true
    this.#mark = this.#conversation.mark()
    this.#runs(member)
    const unfit = this.#unfit?.get(member) ?? member.deadlines.fault(this.#phase)
    if (unfit !== undefined) return this.#failed(member, unfit)
    let result: unknown
    let isPromise: boolean
    this.#inHandler = true
    try {
      const context = new HandlerContext(member.contextOf(this.#phase), this, this.#index)
      result = handler(this.#pdk as never, context as never)
      // Within: it may be anything, also what throws when it is looked at.
      isPromise = isThenable(result)
      this.#inHandler = false
    } catch (error) {
      this.#inHandler = false
      return this.#failed(member, error)
    }
    if (isPromise) this.#await(member, result as PromiseLike<unknown>)
    else if (this.#over) this.#takeBack(result)
    else {
      this.#keepUndo(result)
      // A handler that swallowed the exit has exited all the same.
      if (!this.#conversation.exited) return true
      this.#exit(member)
    }
    return false
  }

  #await(member: Member, result: PromiseLike<unknown>): void {
    // It may have exited without leaving the handler, which then need not end at all.
    if (this.#conversation.exited) this.#exit(member)
    if (!this.#over) this.#watchTime(member)
    const index = this.#index
    Promise.resolve(result).then(
      value => {
        if (this.#over || this.#index !== index) return this.#takeBack(value)
        this.#keepUndo(value)
        if (this.#conversation.exited) return this.#exit(member)
        this.#index++
        this.#next()
      },
      (error: unknown) => {
        if (this.#over || this.#index !== index) {
          if (error !== EXIT)
            member.plugin.host.log.debug(
              { phase: this.#phase, reason: messageOf(error) },
              'handler failed after its event had ended',
            )
        } else if (this.#failed(member, error)) {
          this.#index++
          this.#next()
        }
      },
    )
  }

  #runs(member: Member): void {
    this.#parts.meter.loop.running(member.plugin.definition.name, this.#phase, this.#parts.now())
  }

  #keepUndo(value: unknown): void {
    if (typeof value === 'function') this.onRollback(this.#index, value as Undo)
  }

  /** @param index of the member that asks. */
  onRollback(index: number, undo: Undo): void {
    const isVoid = this.#over ? this.#wentNoFurther : this.#passedOver?.includes(index)
    if (isVoid) this.#takeBack(undo)
    else if (!this.#over) {
      this.#undos ??= []
      this.#undos.push({ index, undo })
    }
  }

  /** The event may take as long as its slowest member may; within that, each member has its own deadline. */
  #watchTime(member: Member): void {
    const { deadlines } = this.#parts
    this.#memberDeadline?.cancel()
    this.#memberDeadline = undefined
    const ownMs = member.deadlines.ms(this.#phase)
    const eventMs = Math.max(...this.#instance.members.map(one => one.deadlines.ms(this.#phase)))
    this.#deadline ??= deadlines.start(eventMs, this)
    if (ownMs < eventMs) this.#memberDeadline = deadlines.start(ownMs, this)
  }

  /** @returns whether the next member runs; false when the event has been ended. */
  #failed(member: Member, error: unknown): boolean {
    // Whatever a handler makes of the exit that unwinds it, it has exited.
    if (error === EXIT || this.#conversation.exited) {
      this.#exit(member)
      return false
    }
    this.#report(member.plugin, 'error', error)
    return this.#applyPolicy(member, 'error')
  }

  /** Ends the event with the exit, once its answer is complete, or the deadline has come. */
  #exit(member: Member): void {
    if (!this.#conversation.refining) this.#finish('exit')
    else if (!this.#deadline) this.#watchTime(member)
  }

  get loopback(): Loopback | undefined {
    return this.#parts.loopback
  }

  get elapsedMs(): number {
    return this.#parts.now() - this.#startedAt
  }

  exited(): void {
    if (!this.#inHandler) this.#finish('exit')
  }

  refused(error: unknown, answer: ExitAnswer = UNAVAILABLE): void {
    if (this.#over) return
    const member = this.#instance.members[this.#index]
    if (!member) return
    this.#report(member.plugin, 'error', error)
    if (member.onError === 'closed' && this.#conversation.canExit) this.#deny('error', answer)
  }

  expired(): void {
    if (this.#over) return
    if (this.#conversation.exited) {
      this.#finish('exit')
      return
    }
    if (this.#waitsForKong()) {
      this.#deadline?.cancel()
      this.#deadline = this.#parts.deadlines.start(LOG_DEADLINE_MS, this)
      return
    }
    const member = this.#instance.members[this.#index]
    if (!member) return
    this.#report(member.plugin, 'late', undefined)
    if (!this.#applyPolicy(member, 'late')) return
    if (this.#index + 1 >= this.#instance.members.length) {
      this.#finish('late')
      return
    }
    // The members behind it run, with time of their own; what the late handler still says reaches nobody.
    this.#deadline?.cancel()
    this.#deadline = undefined
    this.#conversation = this.#conversation.succeed()
    this.#pdk = createPdk(this.#conversation)
    this.#index++
    this.#next()
  }

  /** Kong's id of the request is asked for only where a line is going to be written. */
  #report(plugin: RegisteredPlugin, kind: 'error' | 'late', error: unknown): void {
    const failure = { log: plugin.host.log, plugin: plugin.definition.name, phase: this.#phase, kind, error }
    const line = this.#parts.meter.failures.add(failure, this.#parts.now())
    if (line) this.#conversation.tellRequestId(id => line.write(id))
  }

  #waitsForKong(): boolean {
    if (this.#phase !== 'log' || !this.#conversation.waiting) return false
    return this.#parts.now() - this.#startedAt < LOG_PATIENCE_MS
  }

  #applyPolicy(member: Member, outcome: 'error' | 'late'): boolean {
    if (member.onError === 'closed' && this.#conversation.canExit) {
      this.#deny(outcome, UNAVAILABLE)
      return false
    }
    this.#outcome = outcome
    this.#conversation.rollback(this.#mark)
    this.#passedOver ??= []
    this.#passedOver.push(this.#index)
    this.#undo(one => one.index === this.#index)
    return true
  }

  #deny(outcome: 'error' | 'late', answer: ExitAnswer): void {
    this.#conversation.rollback(this.#mark)
    this.#conversation.replaceExit(answer)
    this.#finish(outcome)
  }

  abandoned(reason: string): void {
    if (this.#over) return
    this.#conversation.abandon(reason)
    this.#finish('abandoned')
  }

  resumed(): void {
    const member = this.#instance.members[this.#index]
    if (member && !this.#over) this.#runs(member)
  }

  #undo(isMeant: (one: { readonly index: number }) => boolean): void {
    const meant = this.#undos?.filter(isMeant).reverse() ?? []
    for (const { undo } of meant) this.#takeBack(undo)
    if (meant.length > 0) this.#undos = this.#undos?.filter(one => !isMeant(one))
  }

  /** Of a late handler, too: nothing that it wrote has reached Kong, whatever became of the request. */
  #takeBack(undo: unknown): void {
    if (typeof undo !== 'function') return
    try {
      undo()
    } catch (error) {
      this.#report(this.#instance.plugin, 'error', error)
    }
  }

  #finish(outcome: Outcome): void {
    if (this.#over) return
    this.#over = true
    this.#deadline?.cancel()
    this.#memberDeadline?.cancel()
    this.#conversation.end(this.#instance.failsClosed)
    this.#wentNoFurther = this.#conversation.exited || outcome === 'abandoned'
    const { fault } = this.#conversation
    if (fault !== undefined) this.#report(this.#instance.plugin, 'error', fault)
    // After the answer has left.
    if (this.#wentNoFurther) this.#undo(() => true)
    this.#parts.meter.counts
      .of(this.#instance.plugin.definition.name, this.#phase)
      .ended(outcome, this.#parts.now() - this.#startedAt, this.#conversation.roundTrips)
    this.#parts.ended()
  }
}

/** What a handler is given; one an event, made of what all events of the instance share. */
class HandlerContext implements PhaseContext<unknown, unknown, unknown> {
  readonly config: unknown
  readonly scope: InstanceScope
  readonly memory: unknown
  readonly instance: unknown
  readonly #shared: SharedContext
  readonly #run: EventRun
  readonly #index: number

  constructor(shared: SharedContext, run: EventRun, index: number) {
    this.config = shared.config
    this.scope = shared.scope
    this.memory = shared.memory
    this.instance = shared.instance
    this.#shared = shared
    this.#run = run
    this.#index = index
  }

  get log() {
    return this.#shared.log
  }

  get onRollback() {
    return (undo: Undo) => this.#run.onRollback(this.#index, undo)
  }

  get elapsedMs() {
    return () => this.#run.elapsedMs
  }
}

function isThenable(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  )
}
