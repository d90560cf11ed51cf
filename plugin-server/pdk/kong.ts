/**
 * The Plugin Development Kit as plugins see it, typed by phase: what Kong refuses in a phase does not compile there.
 *
 * Names follow Kong's own JavaScript PDK. Which call is allowed where is recorded from Kong 3.9.3 (`test/contract`).
 */
import type { Phase } from '../sdk.ts'
import type { Consumer, Credential, HeaderMap, Json, Route, Service } from './entities.ts'

/** What can be asked in the access phase, as far as the plugins here need it. */
export interface AccessKong {
  readonly client: ClientRead & {
    getIp(): Promise<string>
    getForwardedIp(): Promise<string>
  }
  readonly request: {
    getMethod(): Promise<string>
    getPath(): Promise<string>
    getHost(): Promise<string>
    getHeader(name: string): Promise<string | undefined>
    getHeaders(max?: number): Promise<HeaderMap>
  }
  readonly router: RouterRead
  readonly response: {
    /** Header writes are gathered and sent with the end of the event. */
    setHeader(name: string, value: string | number): void
    setHeaders(headers: Readonly<Record<string, string | number | readonly string[]>>): void
    /** Ends the request with this answer; never returns (the handler is unwound). */
    exit(
      status: number,
      body?: string | Uint8Array,
      headers?: Readonly<Record<string, string | number>>,
    ): never
  }
  readonly service: {
    setTarget(host: string, port: number): void
    readonly request: {
      setScheme(scheme: string): void
      setPath(path: string): void
      setHeader(name: string, value: string | number): void
    }
  }
  readonly ctx: { readonly shared: SharedContext }
  readonly log: LogWrite
}

/** What can be asked in the log phase: the request is over, and nothing can be changed. */
export interface LogKong {
  readonly client: ClientRead
  readonly router: RouterRead
  readonly response: {
    getStatus(): Promise<number>
    getSource(): Promise<'service' | 'exit' | 'error'>
    getHeader(name: string): Promise<string | undefined>
    getHeaders(max?: number): Promise<HeaderMap>
  }
  readonly request: {
    getHeader(name: string): Promise<string | undefined>
    getHeaders(max?: number): Promise<HeaderMap>
  }
  readonly ctx: { readonly shared: SharedContext }
  readonly log: LogWrite & {
    /** Everything that Kong knows about the request. Parsed; Kong redacts only `authorization`. */
    serialize(): Promise<Readonly<Record<string, unknown>>>
  }
}

export type PhaseKong<P extends Phase> = P extends 'log' ? LogKong : AccessKong

interface ClientRead {
  getConsumer(): Promise<Consumer | undefined>
  getCredential(): Promise<Credential | undefined>
}

interface RouterRead {
  getService(): Promise<Service | undefined>
  getRoute(): Promise<Route | undefined>
}

interface SharedContext {
  get(key: string): Promise<Json | undefined>
  set(key: string, value: Json): void
}

interface LogWrite {
  warn(...values: Json[]): void
  notice(...values: Json[]): void
  info(...values: Json[]): void
  err(...values: Json[]): void
  /** Adds a value to what `log.serialize` gives in the log phase of the same request. */
  setSerializeValue(key: string, value: Json): void
}
