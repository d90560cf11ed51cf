/**
 * The PDK as Kong's own JavaScript plugin server gives it: snake_case or camelCase names, every call a promise, and
 * answers in the shapes that Kong sends over MsgPack.
 *
 * Two things are better here: `exit` leaves the handler, and a call that Kong would refuse is refused with a reason.
 * Kong answers such a call 500 and ends the request, whatever its caller makes of it; so does this.
 */
import { SluiceError } from '../../foundation/errors.ts'
import { escapedHeaders, escapedHeaderValue } from '../../protocol/pdk/checks.ts'
import { CALLS } from '../../protocol/pdk/table.ts'
import { type Conversation, EXIT, type ExitAnswer } from '../pdk/conversation.ts'
import { CONVERSATION, type PdkNamespace } from '../pdk/namespace.ts'

type Callable = (...args: unknown[]) => unknown

/** What Kong answers the client where a call raises. */
const AS_KONG_RAISES: ExitAnswer = {
  method: 'kong.response.exit',
  status: 500,
  body: '{"message":"An unexpected error occurred"}',
  headers: { 'content-type': 'application/json; charset=utf-8' },
}

const CALLS_BY_PATH = new Map(CALLS.filter(({ row }) => !row.isOwn).map(call => [call.path, call]))
const same = (value: unknown) => value

/** Wraps our PDK for one event. */
export function createKongJs(pdk: object): object {
  const conversation = (pdk as PdkNamespace)[CONVERSATION]
  conversation.refusalAnswer = AS_KONG_RAISES
  return namespace(pdk, '', conversation)
}

function namespace(target: object, prefix: string, conversation: Conversation): object {
  return new Proxy(target, {
    get(_, name) {
      // A promise that resolves to this object would ask for `then`.
      if (typeof name !== 'string' || name === 'then') return undefined
      const call = camelCased(name)
      const found = (target as Record<string, unknown>)[call]
      const path = `${prefix}${call}`
      if (typeof found === 'object' && found !== null) return namespace(found, `${path}.`, conversation)
      const row = CALLS_BY_PATH.get(path)?.row
      if (typeof found !== 'function' || !row) return unknownCall(path, conversation)
      const { toKongJs = same } = row
      return (...args: unknown[]) =>
        settled(
          conversation,
          () => (found as Callable).apply(target, withEscapedHeaders(call, path, args)),
          value => (value === undefined ? undefined : toKongJs(value)),
        )
    },
  })
}

const camelCased = (name: string) =>
  name.replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase())

/** Refused when it is called: a plugin may look whether it is there. */
function unknownCall(path: string, conversation: Conversation): object {
  const refuse = () =>
    settled(conversation, () => {
      throw new SluiceError('SLUICE_PDK_UNKNOWN', `kong.${path} is not a call of Kong's PDK`)
    })
  return new Proxy(refuse, {
    get: (_, name) =>
      typeof name !== 'string' || name === 'then'
        ? undefined
        : unknownCall(`${path}.${camelCased(name)}`, conversation),
  })
}

/**
 * A promise of what the call gives. It is refused at once, since the plugin may not wait for it, and then leaves no
 * unhandled rejection behind.
 */
function settled(
  conversation: Conversation,
  call: () => unknown,
  shape?: (value: unknown) => unknown,
): Promise<unknown> {
  const refuse = (error: unknown) => {
    if (error !== EXIT) conversation.refuse(error)
    return error
  }
  let promise: Promise<unknown>
  try {
    promise = Promise.resolve(call()).then(shape)
  } catch (error) {
    promise = Promise.reject(refuse(error))
  }
  promise.catch(refuse)
  return promise
}

/** nginx escapes what our own calls refuse. */
function withEscapedHeaders(call: string, path: string, args: unknown[]): unknown[] {
  const [first, second] = args
  if (call === 'setHeaders') return [escapedHeaders(first, `${path}: headers`)]
  if (call === 'setHeader' || call === 'addHeader')
    return [first, escapedHeaderValue(second, `${path}: value`)]
  return args
}
