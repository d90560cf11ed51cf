/**
 * The Plugin Development Kit as plugins see it, typed by phase: what Kong refuses in a phase does not compile there.
 *
 * Names follow Kong's own JavaScript PDK. The calls, their phases and types stand in protocol/pdk, one row each. Reads
 * are asked of Kong once an event; writes are gathered, and go out with the event's end in one go.
 */
import type { Phase } from '../protocol/pdk/phases.ts'
import type { Namespace, Pdk, PhasesOf, SignatureOf } from '../protocol/pdk/table.ts'
import type { LoopbackAnswer, LoopbackOrigin, LoopbackRequest } from './loopback.ts'

/** The calls of a namespace that a phase allows. */
type CallsOf<P extends Phase, N extends Namespace> = {
  readonly [Call in keyof Pdk[N] as P extends PhasesOf<Pdk[N][Call]> ? Call : never]: SignatureOf<
    Pdk[N][Call]
  >
}

type Outer<N extends string> = N extends `${infer Name}.${string}` ? Name : N

/** The namespaces inside one: `shared` in `ctx`. */
type InnerOf<P extends Phase, N extends string> = {
  readonly [Path in Namespace as Path extends `${N}.${infer Name}`
    ? keyof CallsOf<P, Path> extends never
      ? never
      : Name
    : never]: CallsOf<P, Path>
}

type NamespaceOf<P extends Phase, N extends string> = (N extends Namespace ? CallsOf<P, N> : unknown) &
  InnerOf<P, N>

/** What can be asked in a phase, without the namespaces that are empty in it. */
type KongIn<P extends Phase> = {
  readonly [N in Outer<Namespace> as keyof NamespaceOf<P, N> extends never ? never : N]: NamespaceOf<P, N>
}

/** Present in the phases that belong to an HTTP request. */
interface RequestKong {
  /**
   * Kong's id of the request, which it also sends as `X-Kong-Request-Id` and writes to its own logs; undefined before
   * Kong 3.5. Asked once an event: in the log phase by `log.serialize`, before it by a variable of nginx.
   */
  requestId(): Promise<string | undefined>
}

/** Present in the access phase. */
interface LoopbackKong {
  /**
   * Calls a path of Kong's own proxy on behalf of the client, with its credentials and its Host.
   *
   * @throws SluiceError SLUICE_LOOPBACK_REFUSED, SLUICE_FETCH_TIMEOUT, SLUICE_FETCH_FAILED
   */
  loopback(request: LoopbackRequest): Promise<LoopbackAnswer>
  /** Where the request comes from, if it is such a call; one that pretends to be is none. */
  loopbackOrigin(): Promise<LoopbackOrigin | undefined>
}

export interface CertificateKong extends KongIn<'certificate'> {}
export interface RewriteKong extends KongIn<'rewrite'>, RequestKong {}
export interface AccessKong extends KongIn<'access'>, RequestKong, LoopbackKong {}
export interface ResponseKong extends KongIn<'response'>, RequestKong {}
export interface PrereadKong extends KongIn<'preread'> {}
/** The request is over: nothing can be changed. */
export interface LogKong extends KongIn<'log'>, RequestKong {}

interface Kongs {
  readonly certificate: CertificateKong
  readonly rewrite: RewriteKong
  readonly access: AccessKong
  readonly response: ResponseKong
  readonly preread: PrereadKong
  readonly log: LogKong
}

/** What can be asked in a phase. */
export type PhaseKong<P extends Phase> = Kongs[P]

/** Everything, whatever the phase: what the runtime gives, and refuses call by call. */
export interface FullKong extends KongIn<Phase>, RequestKong, LoopbackKong {}

/** A PDK read, by its namespace and name, with its argument where it has one. */
export type Need =
  | 'client.getConsumer'
  | 'client.getCredential'
  | 'router.getService'
  | 'router.getRoute'
  | 'log.serialize'
  | readonly [read: 'request.getHeader' | 'ctx.shared.get', name: string]
