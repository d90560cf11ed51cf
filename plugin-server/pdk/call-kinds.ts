/** The forms that PDK calls take: a read without arguments, a write of headers. */
import type { Method } from '../../protocol/methods.ts'
import { type Check, text, wholeNumber } from '../../protocol/pdk/checks.ts'
import type { HeaderMap } from '../../protocol/pdk/entities.ts'
import type { Conversation } from './conversation.ts'

/** What every namespace of the PDK object holds. */
export interface Speaking {
  readonly [CONVERSATION]: Conversation
}

/** Not a name, so that a plugin can't reach past the calls by accident. */
export const CONVERSATION = Symbol('conversation')

// biome-ignore lint/suspicious/noExplicitAny: each call has its own arguments; FullKong types them
type Call = (this: Speaking, ...args: any[]) => unknown
export type Form = (method: Method, call: string) => Call

const NONE: readonly unknown[] = []
const DEFAULT_MAX = 100
const max = wholeNumber(1, 1000)

/** A read without arguments, asked once an event. */
export const read: Form = method =>
  function () {
    return this[CONVERSATION].read(method, NONE)
  }

/** A read whose answer may change within an event. */
export const readEachTime: Form = method =>
  function () {
    return this[CONVERSATION].ask(method, NONE)
  }

/** A read with arguments, each checked, asked once an event for the same ones. */
export const readOf =
  (checks: Readonly<Record<string, Check>>, form: 'once' | 'each time' = 'once'): Form =>
  (method, call) => {
    const check = checkerOf(call, checks)
    return form === 'once'
      ? function (...args) {
          return this[CONVERSATION].read(method, check(args))
        }
      : function (...args) {
          return this[CONVERSATION].ask(method, check(args))
        }
  }

export const readUpTo: Form = (method, call) =>
  function (count = DEFAULT_MAX) {
    return this[CONVERSATION].read(method, [max(count, `${call}: max`)])
  }

/** A change whose answer is of no interest. */
export const write =
  (checks: Readonly<Record<string, Check>>): Form =>
  (method, call) => {
    const check = checkerOf(call, checks)
    return function (...args) {
      this[CONVERSATION].tell(method, check(args))
    }
  }

/** A change of the request, after which what was read of it may be different. */
export const writeRequest =
  (checks: Readonly<Record<string, Check>>): Form =>
  (method, call) => {
    const check = checkerOf(call, checks)
    return function (...args) {
      const checked = check(args)
      this[CONVERSATION].forgetReads()
      this[CONVERSATION].tell(method, checked)
    }
  }

/** A change of the response's headers, sent with the end of the event. */
export const writeResponse =
  (checks: Readonly<Record<string, Check>>): Form =>
  (method, call) => {
    const check = checkerOf(call, checks)
    return function (...args) {
      this[CONVERSATION].tellResponse(method, check(args))
    }
  }

/** Any number of values, for Kong's log. */
export const logLine: Form = method =>
  function (...values) {
    // Kong raises for a line without any value.
    if (values.length > 0) this[CONVERSATION].tell(method, values.map(loggable))
  }

/** Kong's log takes any value; what JSON has no word for is written as a text. */
function loggable(value: unknown): unknown {
  if (value instanceof Error) return value.message
  try {
    return JSON.parse(JSON.stringify(value) ?? 'null')
  } catch {
    return String(value)
  }
}

/**
 * One header is asked for by its name; a second name reads all of them, from which further ones are answered. Names
 * are alike in any case and with `_` for `-`, as in Kong.
 *
 * @param all the call that reads all headers.
 */
export const header =
  (all: Method): Form =>
  (method, call) =>
    function (name: string) {
      const conversation = this[CONVERSATION]
      const asked = (text(name, `${call}: the name`) as string).toLowerCase().replaceAll('_', '-')
      if (conversation.readsOf(method, all) === 0 || conversation.remembers(method, [asked]))
        return conversation.read(method, [asked])
      return conversation.read<HeaderMap>(all, [DEFAULT_MAX]).then(found => {
        const value = found[asked]
        if (value !== undefined) return typeof value === 'string' ? value : value[0]
        // Kong may have cut the list off.
        return Object.keys(found).length < DEFAULT_MAX ? undefined : conversation.read(method, [asked])
      })
    }

function checkerOf(
  call: string,
  checks: Readonly<Record<string, Check>>,
): (args: readonly unknown[]) => unknown[] {
  const named = Object.entries(checks).map(([name, check]) => [check, `${call}: ${name}`] as const)
  return args => named.map(([check, what], index) => check(args[index], what))
}
