/** What a PDK call can use in the gateway, and how it answers. */
import type { Exchange } from '../proxy/exchange.ts'

export type Phase = 'rewrite' | 'access' | 'response' | 'log'

/** Where plugins' log lines go, by Kong's levels. */
export type LogLevel = 'alert' | 'crit' | 'err' | 'warn' | 'notice' | 'info' | 'debug'

/** The gateway as far as plugins may ask about it. */
export interface PdkHost {
  readonly hostname: string
  /** Undefined without a database. */
  readonly clusterId: string | undefined
  /** For `{vault://env/…}`. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly log: (level: LogLevel, plugin: string, text: string) => void
  readonly traffic: () => { readonly totalRequests: number; readonly activeConnections: number }
}

/** What `kong.log.serialize` gives. */
export type LogEntry = Readonly<Record<string, unknown>>

/** One event of a plugin, in which it makes its calls. */
export interface PdkEvent {
  readonly phase: Phase
  readonly exchange: Exchange
  readonly plugin: { readonly name: string; readonly id: string }
  /** In the log phase: the entry as it stood when the phase began, since Kong makes it then. */
  readonly entry?: () => LogEntry
}

/**
 * An answer: a value, or undefined for nil. A call throws where Kong raises.
 *
 * Values are Kong's tables as plain objects and lists, without fields that are not set; text holds characters, not
 * the bytes of the wire.
 */
export type Answer = (event: PdkEvent, host: PdkHost, args: readonly unknown[]) => unknown

/** A call that Kong answers with nothing but an error text beside nil. */
export class Nil {
  readonly error: string

  constructor(error: string) {
    this.error = error
  }
}

export interface PdkMethod {
  readonly name: string
  readonly phases: readonly Phase[]
  readonly answer: Answer
}

const REQUEST = ['rewrite', 'access', 'response'] as const
const EVERYWHERE = [...REQUEST, 'log'] as const

type Methods = Readonly<Record<string, PdkMethod>>
type Answers = Readonly<Record<string, Answer>>

/** The same phases for several methods. */
export function allow(phases: readonly Phase[], answers: Answers): Methods {
  return Object.fromEntries(Object.entries(answers).map(([name, answer]) => [name, { name, phases, answer }]))
}
export const everywhere = (answers: Answers): Methods => allow(EVERYWHERE, answers)
/** While the client waits: the log phase runs in a timer, where nginx has no request any more. */
export const whileServed = (answers: Answers): Methods => allow(REQUEST, answers)
