/**
 * A call of Kong's PDK is one row of a namespace's file: its phases, what it takes and gives, how its answer is read,
 * and one line about it. All else derives from the rows: the methods' types on the wire, the phase checks, the typed
 * PDK of the SDK, the shapes for modules of Kong's JavaScript plugin server, and docs/pdk.md.
 */
import type { TypeName } from '../types.ts'
import type { Check } from './checks.ts'
import type { Phase } from './phases.ts'

/** How a call behaves; the plugin server has one implementation a kind. */
export type Kind =
  /** Asked once an event for the same arguments. */
  | 'read'
  /** Its answer may change within an event. */
  | 'readEachTime'
  /** One name asks for one header, a second name for all of them (the call `getHeaders` beside it). */
  | 'readHeader'
  /** A variable of nginx. */
  | 'readVariable'
  /** A body, which nginx may keep in a file. */
  | 'readRawBody'
  /** A body that is parsed by Kong, or here. */
  | 'readParsedBody'
  /** A change whose answer is of no interest. */
  | 'write'
  /** A change of what `ctx.shared.get` reads. */
  | 'writeShared'
  /** A change of the request, after which what was read of it may be different. */
  | 'writeRequest'
  /** A change of the answer, sent with the end of the event. */
  | 'writeResponse'
  /** Any number of values, for Kong's log. */
  | 'log'
  /** Ends the request. */
  | 'exit'
  | 'exitWithError'
  | 'exitWithJson'

/** What a call takes and gives in ProtoBuf:1; null: it exists in MsgPack:1 only. */
export type Wire = readonly [input: TypeName, output: TypeName] | null

/** @throws SLUICE_PDK_ARGUMENT; `call` names it, such as `request.getHeader`. */
export type CheckArguments = (given: readonly unknown[], call: string) => readonly unknown[]

/** The RPC method of MsgPack:1 that carries an answer. */
export type Step =
  | 'Step'
  | 'StepCredential'
  | 'StepConsumer'
  | 'StepRoute'
  | 'StepService'
  | 'StepMemoryStats'
  | 'StepMultiMap'

export interface Row {
  readonly phases: readonly Phase[]
  readonly kind: Kind
  readonly wire: Wire
  readonly step: Step
  readonly check: CheckArguments
  /** Arguments in the shape of MsgPack:1, where that differs. */
  readonly toMsgpack: ((args: readonly unknown[]) => readonly unknown[]) | undefined
  /** Turns the reply of either protocol into what the PDK promises: the same value from both. */
  readonly decode: (reply: unknown) => unknown
  /** Turns that into the shape that Kong's own JavaScript plugin server gives. */
  readonly toKongJs: ((value: unknown) => unknown) | undefined
  /** Not a call of Kong's: made of one. */
  readonly isOwn: boolean
}

// biome-ignore lint/suspicious/noExplicitAny: any function at all
type AnyFunction = (...args: any) => unknown

/** A row with the type of its call. */
export interface CallRow<P extends Phase, F extends AnyFunction, Own extends boolean = boolean> extends Row {
  readonly phases: readonly P[]
  readonly isOwn: Own
  /** Never there; it carries the type. */
  readonly type?: F
}

interface Parts<P extends Phase, Own extends boolean> {
  readonly phases: readonly P[]
  readonly kind?: Kind
  readonly wire?: Wire
  readonly step?: Step
  /** By the arguments' names, in their order. */
  readonly args?: Readonly<Record<string, Check>> | CheckArguments
  readonly toMsgpack?: Row['toMsgpack']
  readonly decode?: Row['decode']
  // biome-ignore lint/suspicious/noExplicitAny: what `decode` has made
  readonly toKongJs?: (value: any) => unknown
  readonly isOwn?: Own
}

/** `call<Signature>()({…})`: in two steps, since the phases are inferred. */
export const call =
  <F extends AnyFunction>() =>
  <const P extends Phase = never, const Own extends boolean = false>(
    parts: Parts<P, Own>,
  ): CallRow<P, F, Own> => {
    const { wire = null, args = {} } = parts
    return {
      phases: parts.phases,
      kind: parts.kind ?? 'read',
      wire,
      step: parts.step ?? 'Step',
      check: typeof args === 'function' ? args : checksByName(args),
      toMsgpack: parts.toMsgpack,
      decode: parts.decode ?? (wire?.[1] === 'String' ? decodeText : decodeValue),
      toKongJs: parts.toKongJs,
      isOwn: (parts.isOwn ?? false) as Own,
    }
  }

function checksByName(checks: Readonly<Record<string, Check>>): CheckArguments {
  const named = Object.entries(checks)
  if (named.length === 0) return () => NONE
  return (given, call) => named.map(([name, check], index) => check(given[index], `${call}: ${name}`))
}

const NONE: readonly unknown[] = []

const decodeValue = (reply: unknown) => reply ?? undefined
/** Over ProtoBuf:1 an absent string looks like an empty one. */
const decodeText = (reply: unknown) => (reply === '' || reply === null ? undefined : reply)
