/**
 * The PDK as Kong's own JavaScript plugin server gives it: snake_case or camelCase names, every call a promise, and
 * answers in the shapes that Kong sends over MsgPack.
 *
 * Two things are better here: `exit` leaves the handler, and a call that Kong would refuse in the phase is refused
 * with a reason.
 */
import { SluiceError } from '../../foundation/errors.ts'
import type { Consumer, Credential, HeaderMap, QueryMap, Route } from '../../sdk/entities.ts'

type Callable = (...args: unknown[]) => unknown

/** Wraps our PDK for one event. */
export function createKongJs(pdk: object): object {
  return namespace(pdk, '')
}

function namespace(target: object, prefix: string): object {
  return new Proxy(target, {
    get(_, name) {
      // A promise that resolves to this object would ask for `then`.
      if (typeof name !== 'string' || name === 'then') return undefined
      const call = name.replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase())
      const found = (target as Record<string, unknown>)[call]
      const path = `${prefix}${call}`
      if (typeof found === 'object' && found !== null) return namespace(found, `${path}.`)
      if (typeof found !== 'function')
        throw new SluiceError('SLUICE_PDK_UNKNOWN', `kong.${path} is not a call of Kong's PDK`)
      const exits = path === 'response.exit'
      return async (...args: unknown[]) => {
        const given = exits ? withJsonBody(args) : args
        return inKongsShape(path, await (found as Callable).apply(target, given))
      }
    },
  })
}

/** Kong writes an object as JSON, and says so unless the plugin does. */
function withJsonBody([status, body, headers]: unknown[]): unknown[] {
  if (typeof body !== 'object' || body === null || body instanceof Uint8Array) return [status, body, headers]
  const given = (headers ?? {}) as Readonly<Record<string, unknown>>
  const named = Object.keys(given).some(name => name.toLowerCase() === 'content-type')
  return [
    status,
    JSON.stringify(body),
    named ? given : { ...given, 'content-type': 'application/json; charset=utf-8' },
  ]
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
