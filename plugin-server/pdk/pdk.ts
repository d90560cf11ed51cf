/** The PDK object that a handler gets: one small class a namespace, made when it is first used. */

import { checkHeaders, checkHeaderValue, checkPort, checkStatus, checkText } from './arguments.ts'
import type { Conversation, HeaderValue } from './conversation.ts'
import type { Consumer, Credential, HeaderMap, Json, Route, Service } from './entities.ts'

/** Kong caps the number of headers and query arguments that it gives at once; it wants a positive number. */
const DEFAULT_MAX = 100
const NONE: readonly unknown[] = []

export class Pdk {
  readonly #conversation: Conversation
  #client: Client | undefined
  #request: Request | undefined
  #response: Response | undefined
  #router: Router | undefined
  #service: ServiceWrites | undefined
  #log: Log | undefined
  #ctx: { readonly shared: Shared } | undefined

  constructor(conversation: Conversation) {
    this.#conversation = conversation
  }

  get client(): Client {
    this.#client ??= new Client(this.#conversation)
    return this.#client
  }
  get request(): Request {
    this.#request ??= new Request(this.#conversation)
    return this.#request
  }
  get response(): Response {
    this.#response ??= new Response(this.#conversation)
    return this.#response
  }
  get router(): Router {
    this.#router ??= new Router(this.#conversation)
    return this.#router
  }
  get service(): ServiceWrites {
    this.#service ??= new ServiceWrites(this.#conversation)
    return this.#service
  }
  get log(): Log {
    this.#log ??= new Log(this.#conversation)
    return this.#log
  }
  get ctx(): { readonly shared: Shared } {
    this.#ctx ??= { shared: new Shared(this.#conversation) }
    return this.#ctx
  }
}

abstract class Namespace {
  protected readonly conversation: Conversation

  constructor(conversation: Conversation) {
    this.conversation = conversation
  }
}

class Client extends Namespace {
  getIp(): Promise<string> {
    return this.conversation.read('kong.client.get_ip', NONE)
  }
  getForwardedIp(): Promise<string> {
    return this.conversation.read('kong.client.get_forwarded_ip', NONE)
  }
  getConsumer(): Promise<Consumer | undefined> {
    return this.conversation.read('kong.client.get_consumer', NONE)
  }
  getCredential(): Promise<Credential | undefined> {
    return this.conversation.read('kong.client.get_credential', NONE)
  }
}

class Request extends Namespace {
  getMethod(): Promise<string> {
    return this.conversation.read('kong.request.get_method', NONE)
  }
  getPath(): Promise<string> {
    return this.conversation.read('kong.request.get_path', NONE)
  }
  getHost(): Promise<string> {
    return this.conversation.read('kong.request.get_host', NONE)
  }
  getHeader(name: string): Promise<string | undefined> {
    checkText('request.getHeader', 'the name', name)
    return this.conversation.read('kong.request.get_header', [name.toLowerCase()])
  }
  getHeaders(max = DEFAULT_MAX): Promise<HeaderMap> {
    return this.conversation.read('kong.request.get_headers', [max])
  }
}

class Response extends Namespace {
  getStatus(): Promise<number> {
    return this.conversation.read('kong.response.get_status', NONE)
  }
  getSource(): Promise<'service' | 'exit' | 'error'> {
    return this.conversation.read('kong.response.get_source', NONE)
  }
  getHeader(name: string): Promise<string | undefined> {
    checkText('response.getHeader', 'the name', name)
    return this.conversation.read('kong.response.get_header', [name.toLowerCase()])
  }
  getHeaders(max = DEFAULT_MAX): Promise<HeaderMap> {
    return this.conversation.read('kong.response.get_headers', [max])
  }
  setHeader(name: string, value: HeaderValue): void {
    checkText('response.setHeader', 'the name', name)
    this.conversation.tellHeaders('kong.response.set_header', [
      name,
      checkHeaderValue('response.setHeader', name, value),
    ])
  }
  setHeaders(headers: Readonly<Record<string, HeaderValue>>): void {
    this.conversation.tellHeaders('kong.response.set_headers', [checkHeaders('response.setHeaders', headers)])
  }
  exit(
    status: number,
    body?: string | Uint8Array,
    headers?: Readonly<Record<string, string | number>>,
  ): never {
    return this.conversation.exit({
      status: checkStatus('response.exit', status),
      body: body ?? '',
      headers: headers ? checkHeaders('response.exit', headers) : {},
    })
  }
}

class Router extends Namespace {
  getService(): Promise<Service | undefined> {
    return this.conversation.read('kong.router.get_service', NONE)
  }
  getRoute(): Promise<Route | undefined> {
    return this.conversation.read('kong.router.get_route', NONE)
  }
}

class ServiceWrites extends Namespace {
  #request: ServiceRequest | undefined

  get request(): ServiceRequest {
    this.#request ??= new ServiceRequest(this.conversation)
    return this.#request
  }
  setTarget(host: string, port: number): void {
    checkText('service.setTarget', 'the host', host)
    this.conversation.tell('kong.service.set_target', [host, checkPort('service.setTarget', port)])
  }
}

class ServiceRequest extends Namespace {
  setScheme(scheme: string): void {
    this.conversation.tell('kong.service.request.set_scheme', [
      checkText('service.request.setScheme', 'the scheme', scheme),
    ])
  }
  setPath(path: string): void {
    this.conversation.tell('kong.service.request.set_path', [
      checkText('service.request.setPath', 'the path', path),
    ])
  }
  setHeader(name: string, value: HeaderValue): void {
    checkText('service.request.setHeader', 'the name', name)
    this.conversation.forget('kong.request.get_header', 'kong.request.get_headers')
    this.conversation.tell('kong.service.request.set_header', [
      name,
      checkHeaderValue('service.request.setHeader', name, value),
    ])
  }
}

class Shared extends Namespace {
  get(key: string): Promise<Json | undefined> {
    checkText('ctx.shared.get', 'the key', key)
    return this.conversation.ask('kong.ctx.shared.get', [key])
  }
  set(key: string, value: Json): void {
    checkText('ctx.shared.set', 'the key', key)
    this.conversation.tell('kong.ctx.shared.set', [key, value])
  }
}

class Log extends Namespace {
  err(...values: Json[]): void {
    this.conversation.tell('kong.log.err', values)
  }
  warn(...values: Json[]): void {
    this.conversation.tell('kong.log.warn', values)
  }
  notice(...values: Json[]): void {
    this.conversation.tell('kong.log.notice', values)
  }
  info(...values: Json[]): void {
    this.conversation.tell('kong.log.info', values)
  }
  setSerializeValue(key: string, value: Json): void {
    checkText('log.setSerializeValue', 'the key', key)
    this.conversation.tell('kong.log.set_serialize_value', [key, value])
  }
  serialize(): Promise<Readonly<Record<string, unknown>>> {
    return this.conversation.read('kong.log.serialize', NONE)
  }
}

/** Makes the read of a declared need, so that its answer is under way before the handler asks. */
export function prefetch(pdk: Pdk, need: string): void {
  const [namespace, name] = need.split('.') as ['client', 'getConsumer']
  void pdk[namespace][name]()
}
