/**
 * Calls that end the request. One that is refused never lets the request go on: it may have been a denial.
 *
 * `kong.response.error` exists over MsgPack:1 only. Over ProtoBuf:1 it is an exit with the body that Kong would make,
 * for which Kong is asked what the client accepts.
 */
import { SluiceError } from '../../foundation/errors.ts'
import { errorBody, statusText } from '../../protocol/error-answers.ts'
import { escapedHeaders, integer } from '../../protocol/pdk/checks.ts'
import type { HeaderMap } from '../../protocol/pdk/entities.ts'
import type { Call, Method } from '../../protocol/pdk/table.ts'
import { type Conversation, EXIT, type ExitAnswer } from './conversation.ts'
import type { HeaderFields } from './header-writes.ts'
import { CONVERSATION, type PdkFunction } from './namespace.ts'

const exitStatus = integer(100, 599)
const errorStatus = integer(400, 599)
const JSON_TYPE = 'application/json; charset=utf-8'

/**
 * Throws to leave the handler. Nothing else is done here: V8 finds out what to make faster when a function returns, so
 * one that never does stays as slow as at its first call (3 µs instead of 0.5).
 */
export function exit(call: Call): PdkFunction {
  return function (status, body, headers) {
    leave(this[CONVERSATION], () => exitAnswer(call, status, body, headers))
    throw EXIT
  }
}

export function exitWithError(call: Call): PdkFunction {
  return function (status, message, headers) {
    leave(this[CONVERSATION], () => errorAnswer(call, status, message, headers))
    throw EXIT
  }
}

export function exitWithJson(call: Call): PdkFunction {
  return function (status, value, headers) {
    leave(this[CONVERSATION], () => jsonAnswer(call, status, value, headers))
    throw EXIT
  }
}

function leave(conversation: Conversation, makeAnswer: () => ExitAnswer): void {
  try {
    const answer = makeAnswer()
    const emulated = answer.method === 'kong.response.error' && conversation.protocol === 'ProtoBuf:1'
    if (emulated) exitWithErrorBody(conversation, answer)
    else conversation.exit(answer)
  } catch (refusal) {
    if (refusal !== EXIT) conversation.refuse(refusal)
    throw refusal
  }
}

function exitAnswer(
  { method, path: call }: Call,
  status: unknown,
  body: unknown,
  given: unknown,
): ExitAnswer {
  const headers = headersOf(call, given)
  return {
    method,
    status: exitStatus(status, `${call}: status`) as number,
    body: bodyOf(call, body),
    headers: isPlainObject(body) ? asJson(headers) : headers,
  }
}

function jsonAnswer({ path: call }: Call, status: unknown, value: unknown, headers: unknown): ExitAnswer {
  return {
    method: 'kong.response.exit',
    status: exitStatus(status, `${call}: status`) as number,
    body: jsonOf(call, value),
    headers: asJson(headersOf(call, headers)),
  }
}

function errorAnswer(
  { method, path: call }: Call,
  status: unknown,
  message: unknown,
  given: unknown,
): ExitAnswer {
  return {
    method,
    status: errorStatus(status, `${call}: status`) as number,
    body: bodyOf(call, message),
    headers: headersOf(call, given),
  }
}

/** As in Kong: nothing, a string, or an object, which becomes JSON. */
function bodyOf(call: string, body: unknown): string | Uint8Array {
  if (body === undefined || body === null) return ''
  if (typeof body === 'string' || body instanceof Uint8Array) return body
  if (typeof body === 'object') return jsonOf(call, body)
  throw new SluiceError('SLUICE_PDK_ARGUMENT', `${call}: body must be a string, bytes or an object`)
}

function jsonOf(call: string, value: unknown): string {
  try {
    const json: string | undefined = JSON.stringify(value)
    if (json !== undefined) return json
  } catch {
    // A cycle, or a bigint.
  }
  throw new SluiceError('SLUICE_PDK_ARGUMENT', `${call}: body can't be written as JSON`)
}

const isPlainObject = (body: unknown) =>
  typeof body === 'object' && body !== null && !(body instanceof Uint8Array)

const headersOf = (call: string, headers: unknown): HeaderFields =>
  headers === undefined || headers === null
    ? {}
    : (escapedHeaders(headers, `${call}: headers`) as HeaderFields)

function contentTypeOf(headers: HeaderFields): string | undefined {
  const [, value] = Object.entries(headers).find(([name]) => /^content[-_]type$/i.test(name)) ?? []
  return typeof value === 'string' ? value : value?.[0]
}

const asJson = (headers: HeaderFields): HeaderFields =>
  contentTypeOf(headers) === undefined ? withType(headers, JSON_TYPE) : headers

const withType = (headers: HeaderFields, type: string): HeaderFields => ({ ...headers, 'content-type': type })

function exitWithErrorBody(conversation: Conversation, error: ExitAnswer): void {
  conversation.permitInPhase(error.method)
  const asked = Promise.all([
    conversation.read<HeaderMap>('kong.request.get_headers', [100]),
    conversation.requestId(),
  ])
  conversation.exit(
    errorExit(error, {}, undefined),
    asked.then(([headers, requestId]) => errorExit(error, headers, requestId)),
  )
}

/** What Kong 3.9 makes of `kong.response.error` (kong/pdk/response.lua). */
function errorExit(error: ExitAnswer, request: HeaderMap, requestId: string | undefined): ExitAnswer {
  const method: Method = 'kong.response.exit'
  const { status, headers } = error
  const own = contentTypeOf(headers)
  if (own === undefined && String(request['content-type']).startsWith('application/grpc'))
    return { method, status, body: '', headers: withType(headers, 'application/grpc') }
  const message = String(error.body) || statusText(status)
  const accepted = own ?? (request.accept === undefined ? undefined : String(request.accept))
  const { type, text } = errorBody(accepted, message, requestId ?? '')
  return { method, status, body: text, headers: own === undefined ? withType(headers, type) : headers }
}
