/**
 * Which PDK call is allowed in which phase: Kong's own phase checks at 3.9.3, and where more fails than the checks
 * say, what a real Kong answered (`test/contract`): in `certificate`, where nginx has no variables yet, and in `log`,
 * which runs in a timer. The types of the PDK and its refusals at run time both come from this table.
 *
 * `response.get_raw_body` and `set_raw_body` are missing: they work in the body filter only, which no plugin server
 * has.
 */
import type { Method } from '../methods.ts'

/** The phases of Kong that a plugin server can serve. */
export type Phase = 'certificate' | 'rewrite' | 'access' | 'response' | 'preread' | 'log'

const PHASES: ReadonlySet<string> = new Set<Phase>([
  'certificate',
  'rewrite',
  'access',
  'response',
  'preread',
  'log',
])

export function isPhase(name: string): name is Phase {
  return PHASES.has(name)
}

const EVERYWHERE = ['certificate', 'rewrite', 'access', 'response', 'preread', 'log'] as const
const WITH_VARIABLES = ['rewrite', 'access', 'response', 'preread'] as const
const REQUEST = ['rewrite', 'access', 'response'] as const
const REQUEST_AND_LOG = ['rewrite', 'access', 'response', 'log'] as const
const FROM_ACCESS = ['access', 'response', 'log'] as const
const FROM_ACCESS_WITH_VARIABLES = ['access', 'response'] as const
const TO_UPSTREAM = ['rewrite', 'access'] as const
const ACCESS = ['access'] as const
const ANSWERED = ['response', 'log'] as const

export const CALLS = {
  'client.getIp': WITH_VARIABLES,
  'client.getForwardedIp': WITH_VARIABLES,
  'client.getPort': WITH_VARIABLES,
  'client.getForwardedPort': WITH_VARIABLES,
  'client.getCredential': FROM_ACCESS,
  'client.loadConsumer': FROM_ACCESS,
  'client.getConsumer': FROM_ACCESS,
  'client.authenticate': ACCESS,
  'client.getProtocol': FROM_ACCESS_WITH_VARIABLES,
  'client.tls.getFullClientCertificateChain': REQUEST,

  'cluster.getId': EVERYWHERE,

  'ctx.shared.get': EVERYWHERE,
  'ctx.shared.set': EVERYWHERE,

  'ip.isTrusted': EVERYWHERE,

  'log.alert': EVERYWHERE,
  'log.crit': EVERYWHERE,
  'log.err': EVERYWHERE,
  'log.warn': EVERYWHERE,
  'log.notice': EVERYWHERE,
  'log.info': EVERYWHERE,
  'log.debug': EVERYWHERE,
  'log.setSerializeValue': REQUEST_AND_LOG,
  'log.serialize': ['log'],

  'nginx.getVar': WITH_VARIABLES,
  'nginx.getTls1VersionStr': EVERYWHERE,
  'nginx.setCtx': EVERYWHERE,
  'nginx.getCtx': EVERYWHERE,
  'nginx.reqStartTime': REQUEST_AND_LOG,
  'nginx.getSubsystem': EVERYWHERE,
  'nginx.getStatistics': EVERYWHERE,

  'node.getId': EVERYWHERE,
  'node.getHostname': EVERYWHERE,
  'node.getMemoryStats': EVERYWHERE,

  'plugin.getId': EVERYWHERE,

  'request.getScheme': REQUEST,
  'request.getHost': REQUEST,
  'request.getPort': WITH_VARIABLES,
  'request.getForwardedScheme': REQUEST,
  'request.getForwardedHost': REQUEST,
  'request.getForwardedPort': REQUEST,
  'request.getForwardedPath': REQUEST,
  'request.getForwardedPrefix': REQUEST,
  'request.getHttpVersion': REQUEST,
  'request.getMethod': REQUEST,
  'request.getPath': REQUEST,
  'request.getRawPath': REQUEST,
  'request.getPathWithQuery': REQUEST,
  'request.getRawQuery': REQUEST,
  'request.getQueryArg': REQUEST,
  'request.getQuery': REQUEST,
  'request.getHeader': REQUEST_AND_LOG,
  'request.getHeaders': REQUEST_AND_LOG,
  'request.getRawBody': REQUEST,
  'request.getBody': REQUEST,
  'request.getStartTime': REQUEST_AND_LOG,
  'request.getUriCaptures': REQUEST_AND_LOG,

  'response.getStatus': ANSWERED,
  'response.getHeader': ANSWERED,
  'response.getHeaders': ANSWERED,
  'response.getSource': ANSWERED,
  'response.setStatus': REQUEST,
  'response.setHeader': REQUEST,
  'response.addHeader': REQUEST,
  'response.clearHeader': REQUEST,
  'response.setHeaders': REQUEST,
  'response.exit': ['rewrite', 'access', 'response', 'preread'],
  'response.error': REQUEST,

  'router.getRoute': FROM_ACCESS,
  'router.getService': FROM_ACCESS,

  'service.setUpstream': ACCESS,
  // Kong's check allows it in rewrite too, where its balancer's data are not there yet, and the client gets 500.
  'service.setTarget': ['access', 'preread'],
  'service.setRetries': ACCESS,
  'service.setTimeouts': ACCESS,

  'service.request.enableBuffering': TO_UPSTREAM,
  'service.request.setScheme': TO_UPSTREAM,
  'service.request.setPath': TO_UPSTREAM,
  'service.request.setRawQuery': TO_UPSTREAM,
  'service.request.setMethod': TO_UPSTREAM,
  'service.request.setQuery': TO_UPSTREAM,
  'service.request.setHeader': TO_UPSTREAM,
  'service.request.addHeader': TO_UPSTREAM,
  'service.request.clearHeader': TO_UPSTREAM,
  'service.request.setHeaders': TO_UPSTREAM,
  'service.request.setRawBody': TO_UPSTREAM,

  'service.response.getStatus': ['response'],
  'service.response.getHeader': ['response'],
  'service.response.getHeaders': ['response'],
  'service.response.getRawBody': ['response'],

  'vault.get': EVERYWHERE,
  'vault.isReference': EVERYWHERE,
} as const satisfies Record<string, readonly Phase[]>

export type CallName = keyof typeof CALLS

/** `client.getIp` → `kong.client.get_ip`. */
export function methodOf(call: string): Method {
  return `kong.${call.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)}` as Method
}

const ALLOWED: ReadonlyMap<string, readonly Phase[]> = new Map(
  Object.entries(CALLS).map(([call, phases]) => [methodOf(call), phases]),
)

/** Where Kong allows a call; nowhere for one that it does not have. */
export function phasesOf(method: Method): readonly Phase[] {
  return ALLOWED.get(method) ?? []
}

/** The calls of one phase. */
export function callsOf(phase: Phase): ReadonlySet<Method> {
  return new Set(
    [...ALLOWED].filter(([, phases]) => phases.includes(phase)).map(([method]) => method as Method),
  )
}

/** A PDK read without arguments, by its namespace and name. */
export type Need =
  | 'client.getConsumer'
  | 'client.getCredential'
  | 'router.getService'
  | 'router.getRoute'
  | 'log.serialize'
