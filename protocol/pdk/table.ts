/** All calls of Kong's PDK, and what derives from their rows. */
import { client, tls } from './client.ts'
import { shared } from './ctx.ts'
import { log } from './log.ts'
import { nginx } from './nginx.ts'
import { cluster, ip, node, plugin } from './node.ts'
import type { Phase } from './phases.ts'
import { request } from './request.ts'
import { response } from './response.ts'
import { router } from './router.ts'
import type { CallRow, Row, Wire } from './row.ts'
import { service, serviceRequest, serviceResponse } from './service.ts'
import { vault } from './vault.ts'

/** By namespace. */
export const PDK = {
  client,
  'client.tls': tls,
  cluster,
  'ctx.shared': shared,
  ip,
  log,
  nginx,
  node,
  plugin,
  request,
  response,
  router,
  service,
  'service.request': serviceRequest,
  'service.response': serviceResponse,
  vault,
}

export type Pdk = typeof PDK
export type Namespace = keyof Pdk

type SnakeCased<Name extends string> = Name extends `${infer Head}${infer Tail}`
  ? `${Head extends Lowercase<Head> ? Head : `_${Lowercase<Head>}`}${SnakeCased<Tail>}`
  : Name

type OwnRow = { readonly isOwn: true }
type MethodsIn<N extends Namespace> = {
  [Call in keyof Pdk[N] & string]: Pdk[N][Call] extends OwnRow ? never : `kong.${N}.${SnakeCased<Call>}`
}[keyof Pdk[N] & string]

/** The name of a call on the wire: `kong.client.get_ip`. */
export type Method = { [N in Namespace]: MethodsIn<N> }[Namespace]

/** `client.getIp` → `kong.client.get_ip`. */
export function methodOf(path: string): Method {
  return `kong.${path.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)}` as Method
}

export interface Call {
  /** `client.getIp` */
  readonly path: string
  readonly method: Method
  readonly row: Row
}

export const CALLS: readonly Call[] = Object.entries(PDK).flatMap(([namespace, rows]) =>
  Object.entries<Row>(rows).map(([name, row]) => {
    const path = `${namespace}.${name}`
    return { path, method: methodOf(path), row }
  }),
)

const KONGS_CALLS = CALLS.filter(({ row }) => !row.isOwn)
const ROWS: ReadonlyMap<string, Row> = new Map(KONGS_CALLS.map(({ method, row }) => [method, row]))

/** @returns undefined for a method that Kong does not have. */
export function rowOf(method: Method): Row
export function rowOf(method: string): Row | undefined
export function rowOf(method: string): Row | undefined {
  return ROWS.get(method)
}

/** What each method takes and gives in ProtoBuf:1. */
export const METHODS = Object.fromEntries(
  KONGS_CALLS.map(({ method, row }) => [method, row.wire]),
) as Readonly<Record<Method, Wire>>

/** Where Kong allows a call; nowhere for one that it does not have. */
export function phasesOf(method: string): readonly Phase[] {
  return rowOf(method)?.phases ?? []
}

/** The calls of one phase. */
export function callsOf(phase: Phase): ReadonlySet<Method> {
  return new Set(KONGS_CALLS.filter(({ row }) => row.phases.includes(phase)).map(({ method }) => method))
}

/** The phases of a row, and the type of its call. */
export type PhasesOf<R> = R extends CallRow<infer P, infer _F> ? P : never
export type SignatureOf<R> = R extends { readonly type?: infer F } ? Exclude<F, undefined> : never
