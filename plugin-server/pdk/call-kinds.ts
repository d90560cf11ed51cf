/** What the calls of the PDK do, one function a kind; the rows of protocol/pdk say which call is of which kind. */
import { readFile } from 'node:fs/promises'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import type { HeaderMap } from '../../protocol/pdk/entities.ts'
import type { RawBody } from '../../protocol/pdk/request.ts'
import type { Kind } from '../../protocol/pdk/row.ts'
import { type Call, type Method, methodOf } from '../../protocol/pdk/table.ts'
import type { Conversation } from './conversation.ts'
import { exit, exitWithError, exitWithJson } from './exits.ts'
import { CONVERSATION, type PdkFunction } from './namespace.ts'
import { parseRequestBody } from './request-body.ts'
import { REQUEST_ID_VARIABLE } from './request-id.ts'

export const CALL_KINDS: Readonly<Record<Kind, (call: Call) => PdkFunction>> = {
  read({ method, path, row: { check } }) {
    return function (...args) {
      return this[CONVERSATION].read(method, check(args, path))
    }
  },
  readEachTime({ method, path, row: { check } }) {
    return function (...args) {
      return this[CONVERSATION].ask(method, check(args, path))
    }
  },
  readHeader,
  readVariable,
  readRawBody,
  readParsedBody,
  write({ method, path, row: { check } }) {
    return function (...args) {
      this[CONVERSATION].tell(method, check(args, path))
    }
  },
  writeShared({ method, path, row: { check } }) {
    return function (...args) {
      const checked = check(args, path)
      this[CONVERSATION].forgetRead('kong.ctx.shared.get', [checked[0]])
      this[CONVERSATION].tell(method, checked)
    }
  },
  writeRequest({ method, path, row: { check, toMsgpack } }) {
    return function (...args) {
      const conversation = this[CONVERSATION]
      const checked = check(args, path)
      forgetChanged(conversation, method, checked)
      conversation.tell(
        method,
        toMsgpack && conversation.protocol === 'MsgPack:1' ? toMsgpack(checked) : checked,
      )
    }
  },
  writeResponse({ method, path, row: { check } }) {
    return function (...args) {
      this[CONVERSATION].tellResponse(method, check(args, path))
    }
  },
  log({ method }) {
    return function (...values) {
      // Kong raises for a line without any value.
      if (values.length > 0) this[CONVERSATION].tell(method, values.map(loggable))
    }
  },
  exit,
  exitWithError,
  exitWithJson,
}

/** As many headers as nginx reads without being asked for more. */
const ALL_HEADERS = [100] as const

/** Names are alike in any case and with `_` for `-`, as in Kong. */
const headerKey = (name: string) => name.toLowerCase().replaceAll('_', '-')

const HEADER_WRITES: readonly Method[] = [
  'kong.service.request.set_header',
  'kong.service.request.add_header',
  'kong.service.request.clear_header',
  'kong.service.request.set_headers',
]

/** A change of headers leaves all else as it was read, so that members of a composed plugin go on sharing it. */
function forgetChanged(conversation: Conversation, method: Method, [first]: readonly unknown[]): void {
  const names = typeof first === 'string' ? [first] : Object.keys(first ?? {})
  const changed = names.map(headerKey)
  // The host is more than a header.
  if (!HEADER_WRITES.includes(method) || changed.includes('host')) {
    conversation.forgetReads()
    return
  }
  conversation.forgetRead('kong.request.get_headers')
  for (const name of changed) conversation.forgetRead('kong.request.get_header', [name])
}

/** Kong's log takes any value; what JSON has no word for is written as a string. */
function loggable(value: unknown): unknown {
  if (value instanceof Error) return value.message
  try {
    return JSON.parse(JSON.stringify(value) ?? 'null')
  } catch {
    return String(value)
  }
}

function readHeader({ method, path, row: { check } }: Call): PdkFunction {
  const all = methodOf(`${path.slice(0, path.lastIndexOf('.'))}.getHeaders`)
  return function (...args) {
    const conversation = this[CONVERSATION]
    const name = headerKey(String(check(args, path)[0]))
    if (conversation.readsOf(method, all) === 0 || conversation.remembers(method, [name]))
      return conversation.read(method, [name])
    return fromAllHeaders(conversation, method, all, name)
  }
}

async function fromAllHeaders(
  conversation: Conversation,
  one: Method,
  all: Method,
  name: string,
): Promise<unknown> {
  const found = await conversation.read<HeaderMap>(all, ALL_HEADERS)
  const value = found[name]
  if (value !== undefined) return typeof value === 'string' ? value : value[0]
  // Kong may have cut the list off.
  return Object.keys(found).length < ALL_HEADERS[0] ? undefined : conversation.read(one, [name])
}

/** A variable may change within an event, but not the one that holds the request's id. */
function readVariable({ method, path, row: { check } }: Call): PdkFunction {
  return function (...args) {
    const checked = check(args, path)
    const conversation = this[CONVERSATION]
    return checked[0] === REQUEST_ID_VARIABLE
      ? conversation.read(method, checked)
      : conversation.ask(method, checked)
  }
}

function readRawBody({ method }: Call): PdkFunction {
  return function () {
    return rawBody(this[CONVERSATION], method)
  }
}

async function rawBody(conversation: Conversation, method: Method): Promise<Uint8Array> {
  const found = await conversation.read<RawBody>(method, [])
  if (found.bodyFilepath === undefined) {
    if (found.content === undefined && found.error !== undefined)
      throw new SluiceError('SLUICE_PDK_BODY', `Kong can't read the request body: ${found.error}`)
    return found.content ?? new Uint8Array(0)
  }
  try {
    return await readFile(found.bodyFilepath)
  } catch (error) {
    throw new SluiceError('SLUICE_PDK_BODY', `the request body is in a file of nginx: ${messageOf(error)}`)
  }
}

/** Kong parses it where the protocol has the call; else it is parsed here. */
function readParsedBody({ method, path, row: { check } }: Call): PdkFunction {
  return function (...args) {
    const conversation = this[CONVERSATION]
    const checked = check(args, path)
    if (conversation.protocol === 'MsgPack:1') return conversation.read(method, checked)
    conversation.permitInPhase(method)
    return parsedBody(conversation, checked[0] as string | undefined)
  }
}

async function parsedBody(conversation: Conversation, type: string | undefined): Promise<unknown> {
  const [bytes, contentType] = await Promise.all([
    rawBody(conversation, 'kong.request.get_raw_body'),
    type ?? conversation.read<string | undefined>('kong.request.get_header', ['content-type']),
  ])
  return parseRequestBody(bytes, contentType)
}
