/** The PDK object that a handler gets: one object a namespace, made when it is first used. */
import { readFile } from 'node:fs/promises'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import type { Method } from '../../protocol/methods.ts'
import * as check from '../../protocol/pdk/checks.ts'
import { CALLS, type CallName, methodOf, type Need } from '../../protocol/pdk/phases.ts'
import type { FullKong } from '../../sdk/kong.ts'
import {
  CONVERSATION,
  type Form,
  header,
  logLine,
  read,
  readEachTime,
  readOf,
  readUpTo,
  type Speaking,
  write,
  writeRequest,
  writeResponse,
} from './call-kinds.ts'
import type { Conversation } from './conversation.ts'
import { error, exit } from './exits.ts'
import { parseRequestBody } from './request-body.ts'
import { REQUEST_ID_VARIABLE } from './request-id.ts'

const milliseconds = check.wholeNumber(1, 2_147_483_646)
const named = { 'the name': check.text }
const headerPair = { 'the name': check.text, 'the value': check.headerValue }
const headerSet = { 'the headers': check.headers }

/** How each call behaves. */
const FORMS: Readonly<Record<CallName, Form>> = {
  'client.getIp': read,
  'client.getForwardedIp': read,
  'client.getPort': read,
  'client.getForwardedPort': read,
  'client.getCredential': read,
  'client.loadConsumer': loadConsumer,
  'client.getConsumer': read,
  'client.authenticate': authenticate,
  'client.getProtocol': readOf({ allowTerminated: check.flag }),
  'client.tls.getFullClientCertificateChain': read,

  'cluster.getId': read,

  'ctx.shared.get': readOf({ 'the key': check.text }, 'each time'),
  'ctx.shared.set': write({ 'the key': check.text, 'the value': check.json }),

  'ip.isTrusted': readOf({ 'the address': check.text }),

  'log.alert': logLine,
  'log.crit': logLine,
  'log.err': logLine,
  'log.warn': logLine,
  'log.notice': logLine,
  'log.info': logLine,
  'log.debug': logLine,
  'log.setSerializeValue': write({ 'the key': check.text, 'the value': check.json }),
  'log.serialize': read,

  'nginx.getVar': variable,
  'nginx.getTls1VersionStr': read,
  'nginx.setCtx': write({ 'the key': check.text, 'the value': check.json }),
  'nginx.getCtx': readOf({ 'the key': check.text }, 'each time'),
  'nginx.reqStartTime': read,
  'nginx.getSubsystem': read,
  'nginx.getStatistics': readEachTime,

  'node.getId': read,
  'node.getHostname': read,
  'node.getMemoryStats': readEachTime,

  'plugin.getId': read,

  'request.getScheme': read,
  'request.getHost': read,
  'request.getPort': read,
  'request.getForwardedScheme': read,
  'request.getForwardedHost': read,
  'request.getForwardedPort': read,
  'request.getForwardedPath': read,
  'request.getForwardedPrefix': read,
  'request.getHttpVersion': read,
  'request.getMethod': read,
  'request.getPath': read,
  'request.getRawPath': read,
  'request.getPathWithQuery': read,
  'request.getRawQuery': read,
  'request.getQueryArg': readOf(named),
  'request.getQuery': readUpTo,
  'request.getHeader': header('kong.request.get_headers'),
  'request.getHeaders': readUpTo,
  'request.getRawBody': rawBody,
  'request.getBody': body,
  'request.getStartTime': read,
  'request.getUriCaptures': read,

  'response.getStatus': read,
  'response.getHeader': header('kong.response.get_headers'),
  'response.getHeaders': readUpTo,
  'response.getSource': read,
  'response.setStatus': writeResponse({ 'the status': check.wholeNumber(100, 599) }),
  'response.setHeader': writeResponse(headerPair),
  'response.addHeader': writeResponse(headerPair),
  'response.clearHeader': writeResponse(named),
  'response.setHeaders': writeResponse(headerSet),
  'response.exit': exit,
  'response.error': error,

  'router.getRoute': read,
  'router.getService': read,

  'service.setUpstream': readOf(named, 'each time'),
  'service.setTarget': write({ 'the host': check.text, 'the port': check.wholeNumber(0, 65_535) }),
  'service.setRetries': write({ 'the number': check.wholeNumber(0, 32_767) }),
  'service.setTimeouts': write({ connect: milliseconds, write: milliseconds, read: milliseconds }),

  'service.request.enableBuffering': writeRequest({}),
  'service.request.setScheme': writeRequest({ 'the scheme': check.oneOf('http', 'https') }),
  'service.request.setPath': writeRequest({ 'the path': check.path }),
  'service.request.setRawQuery': writeRequest({ 'the query': check.anyText }),
  'service.request.setMethod': writeRequest({ 'the method': check.oneOf(...check.METHODS_ACCEPTED) }),
  'service.request.setQuery': writeRequest({ 'the arguments': check.queryArgs }),
  'service.request.setHeader': writeRequest(headerPair),
  'service.request.addHeader': writeRequest(headerPair),
  'service.request.clearHeader': writeRequest(named),
  'service.request.setHeaders': writeRequest(headerSet),
  'service.request.setRawBody': writeRequest({ 'the body': check.bytes }),

  'service.response.getStatus': read,
  'service.response.getHeader': header('kong.service.response.get_headers'),
  'service.response.getHeaders': readUpTo,
  'service.response.getRawBody': read,

  'vault.get': readOf({ 'the reference': check.text }, 'each time'),
  'vault.isReference': readOf({ 'the reference': check.text }),
}

/** A variable may change within an event, but not the one that holds the request's id. */
function variable(method: Method, call: string): ReturnType<Form> {
  const eachTime = readOf(named, 'each time')(method, call)
  const once = readOf(named)(method, call)
  return function (name: unknown) {
    return (name === REQUEST_ID_VARIABLE ? once : eachTime).call(this, name)
  }
}

/** Kong raises for an id that is no UUID, unless it may be a name. */
function loadConsumer(method: Method): ReturnType<Form> {
  return function (id: unknown, byUsername: unknown) {
    check.text(id, 'client.loadConsumer: the id')
    const byName = check.flag(byUsername, 'client.loadConsumer: byUsername')
    if (!byName && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id as string))
      throw new SluiceError(
        'SLUICE_PDK_ARGUMENT',
        'client.loadConsumer: the id must be a UUID, or byUsername set',
      )
    return this[CONVERSATION].read(method, [id, byName])
  }
}

function authenticate(method: Method): ReturnType<Form> {
  return function (consumer: unknown, credential: unknown) {
    if (consumer === undefined && credential === undefined)
      throw new SluiceError(
        'SLUICE_PDK_ARGUMENT',
        'client.authenticate: a consumer or a credential is needed',
      )
    const given = [
      check.entity(consumer, 'client.authenticate: the consumer') ?? null,
      check.entity(credential, 'client.authenticate: the credential') ?? null,
    ]
    const conversation = this[CONVERSATION]
    conversation.forgetReads()
    conversation.tell(method, conversation.protocol === 'MsgPack:1' ? given.map(inKongsNames) : given)
  }
}

/** MsgPack carries the object as it is, and Kong's own names are in snake_case. */
function inKongsNames(entity: unknown): unknown {
  if (entity === null) return null
  return Object.fromEntries(
    Object.entries(entity as object).map(([name, value]) => [
      name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`),
      value,
    ]),
  )
}

interface RawBody {
  readonly content?: Uint8Array
  readonly bodyFilepath?: string
  readonly error?: string
}

function rawBody(method: Method): ReturnType<Form> {
  return async function () {
    const found = await this[CONVERSATION].read<RawBody>(method, [])
    if (found.bodyFilepath === undefined) {
      if (found.content === undefined && found.error !== undefined)
        throw new SluiceError('SLUICE_PDK_BODY', `Kong can't read the request's body: ${found.error}`)
      return found.content ?? new Uint8Array(0)
    }
    try {
      return await readFile(found.bodyFilepath)
    } catch (error) {
      throw new SluiceError('SLUICE_PDK_BODY', `the body is in a file of nginx: ${messageOf(error)}`)
    }
  }
}

/** Parsed by Kong where the protocol has the call, and here where it hasn't. */
function body(method: Method): ReturnType<Form> {
  const raw = rawBody('kong.request.get_raw_body')
  return async function () {
    const conversation = this[CONVERSATION]
    if (conversation.protocol === 'MsgPack:1') return conversation.read(method, [])
    conversation.permitInPhase(method)
    const [bytes, contentType] = await Promise.all([
      raw.call(this) as Promise<Uint8Array>,
      conversation.read<string | undefined>('kong.request.get_header', ['content-type']),
    ])
    return parseRequestBody(bytes, contentType)
  }
}

type NamespaceClass = new (conversation: Conversation) => Speaking

/** Makes the class of one namespace: its calls on the prototype, its inner namespaces behind getters. */
function createNamespace(prefix: string): NamespaceClass {
  class Namespace implements Speaking {
    readonly [CONVERSATION]: Conversation
    constructor(conversation: Conversation) {
      this[CONVERSATION] = conversation
    }
  }
  const inner = new Set<string>()
  for (const call of Object.keys(CALLS) as CallName[]) {
    if (!call.startsWith(prefix)) continue
    const [name, ...rest] = call.slice(prefix.length).split('.') as [string, ...string[]]
    if (rest.length > 0) inner.add(name)
    else Object.defineProperty(Namespace.prototype, name, { value: FORMS[call](methodOf(call), call) })
  }
  for (const name of inner) {
    const Inner = createNamespace(`${prefix}${name}.`)
    const slot = Symbol(name)
    Object.defineProperty(Namespace.prototype, name, {
      get(this: Speaking & { [slot: symbol]: Speaking | undefined }) {
        const made = this[slot]
        if (made) return made
        const fresh = new Inner(this[CONVERSATION])
        this[slot] = fresh
        return fresh
      },
    })
  }
  return Namespace
}

const Root = createNamespace('')
Object.defineProperty(Root.prototype, 'requestId', {
  value(this: Speaking) {
    return this[CONVERSATION].requestId()
  },
})

/** All calls are there in every phase; one that the phase does not allow is refused when it is made. */
export function createPdk(conversation: Conversation): FullKong {
  return new Root(conversation) as unknown as FullKong
}

const NEEDED: Readonly<Record<Need, (pdk: FullKong) => Promise<unknown>>> = {
  'client.getConsumer': pdk => pdk.client.getConsumer(),
  'client.getCredential': pdk => pdk.client.getCredential(),
  'router.getService': pdk => pdk.router.getService(),
  'router.getRoute': pdk => pdk.router.getRoute(),
  'log.serialize': pdk => pdk.log.serialize(),
}

/** Makes the read of a declared need, so that its answer is under way before the handler asks for it. */
export function prefetch(pdk: FullKong, need: Need): void {
  void NEEDED[need](pdk)
}
