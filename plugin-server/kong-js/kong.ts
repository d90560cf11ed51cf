/**
 * The PDK as Kong's own JavaScript plugin server gives it: snake_case or camelCase names, every call a promise, and
 * answers in the shapes that Kong sends over MsgPack.
 *
 * Two things are better here: `exit` leaves the handler, and a call that Kong would refuse is refused with a reason.
 * Kong answers such a call 500 and ends the request, whatever its caller makes of it; so does this.
 */
import { SluiceError } from '../../foundation/errors.ts'
import { escapedHeaders, escapedHeaderValue } from '../../protocol/pdk/checks.ts'
import type { Consumer, Credential, HeaderMap, QueryMap, Route } from '../../protocol/pdk/entities.ts'
import { CONVERSATION, type Speaking } from '../pdk/call-kinds.ts'
import { type Conversation, EXIT, type ExitAnswer } from '../pdk/conversation.ts'

type Callable = (...args: unknown[]) => unknown

/** What Kong answers the client where a call raises. */
const AS_KONG_RAISES: ExitAnswer = {
  method: 'kong.response.exit',
  status: 500,
  body: '{"message":"An unexpected error occurred"}',
  headers: { 'content-type': 'application/json; charset=utf-8' },
}

/** Wraps our PDK for one event. */
export function createKongJs(pdk: object): object {
  const conversation = (pdk as Speaking)[CONVERSATION]
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
      if (typeof found !== 'function') return unknownCall(path, conversation)
      return (...args: unknown[]) =>
        settled(
          conversation,
          () => (found as Callable).apply(target, withEscapedHeaders(call, path, args)),
          value => inKongsShape(path, value),
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
  if (call === 'setHeaders') return [escapedHeaders(first, `${path}: the headers`)]
  if (call === 'setHeader' || call === 'addHeader')
    return [first, escapedHeaderValue(second, `${path}: the value`)]
  return args
}

function inKongsShape(call: string, value: unknown): unknown {
  if (value === undefined) return undefined
  switch (call) {
    case 'client.getConsumer':
    case 'client.loadConsumer': {
      const { customId, createdAt, ...same } = value as Consumer
      return { ...same, custom_id: customId, created_at: createdAt }
    }
    case 'client.getCredential': {
      const { consumerId, ...same } = value as Credential
      return { ...same, consumer: { id: consumerId } }
    }
    case 'router.getRoute': {
      const { serviceId, ...same } = value as Route
      return { ...same, service: { id: serviceId } }
    }
    case 'request.getHeaders':
    case 'response.getHeaders':
    case 'service.response.getHeaders':
    case 'request.getQuery':
      return listsOf(value as HeaderMap | QueryMap)
    case 'request.getRawBody':
    case 'service.response.getRawBody':
      return Buffer.from(value as Uint8Array).toString()
    case 'log.serialize':
      return JSON.stringify(value)
  }
  return value
}

/** Every value a list; an argument without a value an empty one. */
function listsOf(map: HeaderMap | QueryMap): Record<string, readonly unknown[]> {
  const list = (value: unknown) => (Array.isArray(value) ? value : value === true ? [] : [value])
  return Object.fromEntries(Object.entries(map).map(([name, value]) => [name, list(value)]))
}
