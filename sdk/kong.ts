/**
 * The Plugin Development Kit as plugins see it, typed by phase: what Kong refuses in a phase does not compile there.
 *
 * Names follow Kong's own JavaScript PDK. Which call is allowed where stands in phases.ts. Reads are asked of Kong once
 * an event; writes are gathered, and go out with the event's end in one go.
 */
import type {
  Consumer,
  Credential,
  HeaderMap,
  Json,
  MemoryStats,
  QueryMap,
  Route,
  Service,
  UriCaptures,
} from '../protocol/pdk/entities.ts'
import type { CALLS, Phase } from '../protocol/pdk/phases.ts'

/** Numbers and booleans are sent as texts. */
export type HeaderValue = string | number | boolean | readonly (string | number | boolean)[]
export type HeaderWrites = Readonly<Record<string, HeaderValue>>

/** Everything, whatever the phase. Calls marked MsgPack:1 do not exist in ProtoBuf:1. */
export interface FullKong {
  readonly client: {
    /** The address of the peer, which may be a load balancer. */
    getIp(): Promise<string>
    /** The client's address, by `X-Forwarded-For` where the peer is trusted. */
    getForwardedIp(): Promise<string>
    getPort(): Promise<number>
    getForwardedPort(): Promise<number>
    getCredential(): Promise<Credential | undefined>
    /** Reads a consumer by its id, or by its name where `byUsername` is set. */
    loadConsumer(id: string, byUsername?: boolean): Promise<Consumer | undefined>
    getConsumer(): Promise<Consumer | undefined>
    /** Sets who the client is; at least one of the two is needed. */
    authenticate(
      consumer: Pick<Consumer, 'id' | 'username' | 'customId'> | undefined,
      credential?: Credential,
    ): void
    getProtocol(allowTerminated?: boolean): Promise<string | undefined>
    readonly tls: {
      /** PEM. MsgPack:1. */
      getFullClientCertificateChain(): Promise<string | undefined>
    }
  }
  readonly cluster: {
    /** MsgPack:1. */
    getId(): Promise<string | undefined>
  }
  readonly ctx: {
    /** Values that live as long as the request, shared with other plugins. */
    readonly shared: {
      get(key: string): Promise<Json | undefined>
      /** Over ProtoBuf:1 a `false` arrives as nothing. */
      set(key: string, value: Json): void
    }
  }
  readonly ip: {
    isTrusted(address: string): Promise<boolean>
  }
  readonly log: {
    alert(...values: unknown[]): void
    crit(...values: unknown[]): void
    err(...values: unknown[]): void
    warn(...values: unknown[]): void
    notice(...values: unknown[]): void
    info(...values: unknown[]): void
    debug(...values: unknown[]): void
    /** Adds a value to what `log.serialize` gives in the log phase of the same request. */
    setSerializeValue(key: string, value: Json): void
    /** Everything that Kong knows about the request. Parsed; Kong redacts only `authorization`. */
    serialize(): Promise<Readonly<Record<string, unknown>>>
  }
  readonly nginx: {
    getVar(name: string): Promise<string | undefined>
    getTls1VersionStr(): Promise<string | undefined>
    setCtx(key: string, value: Json): void
    getCtx(key: string): Promise<Json | undefined>
    /** Seconds since the epoch, with fractions. */
    reqStartTime(): Promise<number>
    getSubsystem(): Promise<string>
    /** MsgPack:1. */
    getStatistics(): Promise<Readonly<Record<string, number>>>
  }
  readonly node: {
    getId(): Promise<string>
    /** MsgPack:1. */
    getHostname(): Promise<string>
    getMemoryStats(): Promise<MemoryStats>
  }
  readonly plugin: {
    /** Id of the plugin entity. MsgPack:1; over both, `scope.pluginId` has it without a call. */
    getId(): Promise<string>
  }
  readonly request: {
    getScheme(): Promise<string>
    getHost(): Promise<string>
    getPort(): Promise<number>
    getForwardedScheme(): Promise<string>
    getForwardedHost(): Promise<string>
    getForwardedPort(): Promise<number>
    /** MsgPack:1. */
    getForwardedPath(): Promise<string>
    /** MsgPack:1. */
    getForwardedPrefix(): Promise<string>
    getHttpVersion(): Promise<number>
    getMethod(): Promise<string>
    /** Without the query. */
    getPath(): Promise<string>
    /** As the client sent it, not normalised. MsgPack:1. */
    getRawPath(): Promise<string>
    getPathWithQuery(): Promise<string>
    /** Without the question mark; empty for none. */
    getRawQuery(): Promise<string>
    /** The first value of an argument. */
    getQueryArg(name: string): Promise<string | undefined>
    /** @param max 1 to 1,000; 100 where left out. */
    getQuery(max?: number): Promise<QueryMap>
    /** The first value of a header. From the second name on, all headers are read at once and remembered. */
    getHeader(name: string): Promise<string | undefined>
    /** @param max 1 to 1,000; 100 where left out. */
    getHeaders(max?: number): Promise<HeaderMap>
    /**
     * The body's bytes. A large one that nginx keeps in a file is read from there.
     *
     * @throws SluiceError SLUICE_PDK_BODY where the file can't be read here.
     */
    getRawBody(): Promise<Uint8Array>
    /** The body as Kong parsed it, undefined where it can't. MsgPack:1. */
    getBody(): Promise<Json | undefined>
    /** Milliseconds since the epoch. MsgPack:1. */
    getStartTime(): Promise<number>
    getUriCaptures(): Promise<UriCaptures>
  }
  readonly response: {
    getStatus(): Promise<number>
    /** The first value of a header. */
    getHeader(name: string): Promise<string | undefined>
    getHeaders(max?: number): Promise<HeaderMap>
    getSource(): Promise<'service' | 'exit' | 'error'>
    setStatus(status: number): void
    /** Header writes are gathered and sent with the end of the event. */
    setHeader(name: string, value: HeaderValue): void
    addHeader(name: string, value: HeaderValue): void
    clearHeader(name: string): void
    setHeaders(headers: HeaderWrites): void
    /** Ends the request with this answer; never returns (the handler is unwound). */
    exit(status: number, body?: string | Uint8Array, headers?: HeaderWrites): never
    /** As `exit`, with Kong's own error body in the type that the client accepts. MsgPack:1. */
    error(status: number, message?: string, headers?: HeaderWrites): never
  }
  readonly router: {
    getRoute(): Promise<Route | undefined>
    getService(): Promise<Service | undefined>
  }
  readonly service: {
    /** @returns false where there is no upstream of that name. */
    setUpstream(name: string): Promise<boolean>
    setTarget(host: string, port: number): void
    /** MsgPack:1. */
    setRetries(retries: number): void
    /** Milliseconds. MsgPack:1. */
    setTimeouts(connectMs: number, writeMs: number, readMs: number): void
    readonly request: {
      /** MsgPack:1. */
      enableBuffering(): void
      setScheme(scheme: 'http' | 'https'): void
      setPath(path: string): void
      setRawQuery(query: string): void
      setMethod(method: string): void
      setQuery(args: Readonly<Record<string, string | number | boolean | readonly string[]>>): void
      setHeader(name: string, value: HeaderValue): void
      addHeader(name: string, value: HeaderValue): void
      clearHeader(name: string): void
      setHeaders(headers: HeaderWrites): void
      setRawBody(body: string | Uint8Array): void
    }
    readonly response: {
      getStatus(): Promise<number>
      getHeader(name: string): Promise<string | undefined>
      getHeaders(max?: number): Promise<HeaderMap>
      getRawBody(): Promise<Uint8Array>
    }
  }
  readonly vault: {
    /** MsgPack:1. */
    get(reference: string): Promise<string | undefined>
    /** MsgPack:1. */
    isReference(reference: string): Promise<boolean>
  }
}

// biome-ignore lint/suspicious/noExplicitAny: any function at all
type AnyFunction = (...args: any) => unknown

type AllowedIn<P extends Phase, Path extends string> = Path extends keyof typeof CALLS
  ? P extends (typeof CALLS)[Path][number]
    ? true
    : false
  : false

/** Leaves out the functions that the phase does not allow, and the namespaces that are empty without them. */
type Phased<P extends Phase, Api, Path extends string = ''> = {
  readonly [Name in keyof Api & string as Api[Name] extends AnyFunction
    ? AllowedIn<P, `${Path}${Name}`> extends true
      ? Name
      : never
    : keyof Phased<P, Api[Name], `${Path}${Name}.`> extends never
      ? never
      : Name]: Api[Name] extends AnyFunction ? Api[Name] : Phased<P, Api[Name], `${Path}${Name}.`>
}

/** Present in the phases that belong to an HTTP request. */
interface RequestIdentity {
  /**
   * Kong's id of the request, which it also sends as `X-Kong-Request-Id` and writes to its own logs; undefined before
   * Kong 3.5. Asked once an event: in the log phase by `log.serialize`, before it by a variable of nginx.
   */
  requestId(): Promise<string | undefined>
}

/** What can be called in a phase. */
export type PhaseKong<P extends Phase> = Phased<P, FullKong> &
  (P extends 'rewrite' | 'access' | 'response' | 'log' ? RequestIdentity : unknown)

/** What can be asked in the access phase. */
export type AccessKong = PhaseKong<'access'>

/** What can be asked in the log phase: the request is over, and nothing can be changed. */
export type LogKong = PhaseKong<'log'>
