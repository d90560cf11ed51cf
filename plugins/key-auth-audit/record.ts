import { forwardedAddress, networkOf } from '../../sdk/log-data/address.ts'
import { conceal, concealPath } from '../../sdk/log-data/conceal.ts'
import { findKey, type KeySight, keyTexts } from '../../sdk/log-data/key.ts'
import { header, number, record, type Serialized, text } from '../../sdk/log-data/serialized.ts'
import type { EventDraft } from '../../sdk/sdk.ts'
import { type Classification, classify } from './classify.ts'
import type { AuditConfig } from './config.ts'
import type { Fingerprinter } from './fingerprint.ts'

/** What the audit keeps of a request, and what its detection looks at. */
export interface AuditRecord {
  readonly draft: EventDraft
  readonly classification: Classification
  /** Sent by a plugin server on behalf of a client. */
  readonly isInternal: boolean
  /** Undefined where Kong gave none, or no address. */
  readonly address: string | undefined
  readonly credentialId: string | undefined
  readonly consumerId: string | undefined
  readonly consumerUsername: string | undefined
  readonly fingerprint: string | undefined
}

export interface RecordOptions {
  readonly config: AuditConfig
  readonly fingerprinter: Fingerprinter
  /** Of the plugin entity in Kong: two entities on one request make two events. */
  readonly pluginId: string
}

/** What the parts of a record are made from. */
interface Source extends RecordOptions {
  readonly log: Serialized
  readonly key: KeySight
  readonly classification: Classification
  readonly fingerprint: string | undefined
  /** Of the client; of an internal request, of the client that it was sent for, where Kong sees the plugin server. */
  readonly address: string | undefined
}

/**
 * Makes the audit record of a request from its log data; undefined for a request that has nothing to do with
 * authentication. Every field is picked one by one: what is not named here can't leak.
 */
export function auditRecord(log: Serialized, options: RecordOptions): AuditRecord | undefined {
  const { config, fingerprinter, pluginId } = options
  const key = findKey(log, config.key_names)
  const classification = classify(log, key, { hideCredentials: config.hide_credentials })
  if (!classification) return undefined
  const fingerprint = key.kind === 'one' && key.bytes ? fingerprinter.of(key.bytes) : undefined
  const internal = internalOf(log)
  const address = text(internal.client_ip) ?? text(log.client_ip)
  // Named one by one: a spread with more behind it takes V8 as long as all the rest of the record.
  const source: Source = { config, fingerprinter, pluginId, log, key, classification, fingerprint, address }
  const consumerId = text(record(log.consumer).id)
  const requestId = text(record(log.request).id)
  const startedAtMs = number(log.started_at)
  const isDenied = classification.outcome === 'denied'
  return {
    draft: {
      type: isDenied ? 'key-auth.denied.v1' : 'key-auth.granted.v1',
      subject: consumerId === undefined ? 'nobody' : `consumer/${consumerId}`,
      ...(startedAtMs === undefined ? {} : { timeMs: startedAtMs }),
      ...(requestId === undefined || startedAtMs === undefined
        ? {}
        : { identity: `${requestId}:${pluginId}` }),
      data: {
        request_id: requestId ?? null,
        trace_id: traceId(log),
        internal: text(internal.purpose) ?? null,
        ...whoAsked(source),
        ...whatWasAsked(source),
        ...whatWasAnswered(source),
        sample_rate: isDenied ? 1 : config.sample,
      },
    },
    classification,
    isInternal: internal.purpose !== undefined,
    address,
    credentialId: text(record(log.authenticated_entity).id),
    consumerId,
    consumerUsername: text(record(log.consumer).username),
    fingerprint,
  }
}

/** The verdict, and who is behind it. */
function whoAsked({ log, key, config, classification, fingerprinter, fingerprint, address }: Source) {
  const consumer = record(log.consumer)
  const shown = (ip: string | undefined) =>
    (ip !== undefined && config.anonymize_ip ? networkOf(ip) : ip) ?? null
  return {
    outcome: classification.outcome,
    reason: classification.reason,
    scheme: classification.scheme,
    consumer_id: text(consumer.id) ?? null,
    consumer_username: text(consumer.username) ?? null,
    consumer_custom_id: text(consumer.custom_id) ?? null,
    credential_id: text(record(log.authenticated_entity).id) ?? null,
    key_fingerprint: fingerprint ?? null,
    key_secret_id: fingerprint === undefined ? null : fingerprinter.secretId,
    key_visibility: visibility(key, classification, config.hide_credentials),
    key_location: key.kind === 'none' ? null : key.location,
    key_name: key.kind === 'none' ? null : key.name,
    client_ip: shown(address),
    forwarded_ip: shown(forwardedAddress(header(record(log.request).headers, 'x-forwarded-for'))),
  }
}

function whatWasAsked({ log, config }: Source) {
  const request = record(log.request)
  const secrets = keyTexts(log, config.key_names)
  return {
    method: concealed(text(request.method), secrets),
    host: concealed(header(request.headers, 'host'), secrets),
    path: shownPath(text(request.uri), secrets, config.path),
    route_id: text(record(log.route).id) ?? null,
    route_name: text(record(log.route).name) ?? null,
    service_id: text(record(log.service).id) ?? null,
    service_name: text(record(log.service).name) ?? null,
  }
}

function whatWasAnswered({ log, classification }: Source) {
  const tries = Array.isArray(log.tries) ? log.tries : []
  const latencies = record(log.latencies)
  return {
    status: whole(record(log.response).status),
    answered_by: classification.answeredBy,
    upstream: addressOf(record(tries.at(-1))),
    upstream_tries: tries.length,
    latency_ms: whole(latencies.request),
    latency_kong_ms: whole(latencies.kong),
    latency_upstream_ms: whole(latencies.proxy),
  }
}

function visibility(key: KeySight, { outcome, reason, scheme }: Classification, hides: boolean): string {
  if (key.kind === 'several') return 'several'
  if (key.kind === 'one') return key.bytes ? 'visible' : 'unreadable'
  if (reason === 'missing_or_invalid') return 'hidden'
  // A key must have been there, since key-auth let the request through.
  return hides && outcome !== 'anonymous' && (scheme === 'key' || scheme === 'unknown') ? 'hidden' : 'none'
}

function shownPath(
  uri: string | undefined,
  secrets: readonly string[],
  mode: AuditConfig['path'],
): string | null {
  if (uri === undefined || mode === 'none') return null
  return concealPath(uri.replace(/[?#].*$/s, ''), secrets, mode)
}

const concealed = (value: string | undefined, secrets: readonly string[]) =>
  value === undefined ? null : conceal(value, secrets)

const whole = (value: unknown) => {
  const found = number(value)
  return found === undefined ? null : Math.round(found)
}

function addressOf(attempt: Serialized): string | null {
  const ip = text(attempt.ip)
  return ip === undefined ? null : `${ip.includes(':') ? `[${ip}]` : ip}:${number(attempt.port) ?? 0}`
}

/** Of a request that a plugin server sent through Kong on behalf of a client, once one of our plugins has recognised it. */
const internalOf = (log: Serialized): Serialized => record(record(log.sluice).internal)

/** From Kong's tracing, else from the client's `traceparent`. */
function traceId(log: Serialized): string | null {
  const ofKong = text(record(log.trace_id).w3c) ?? text(record(log.trace_id).b3)
  const ofClient = header(record(log.request).headers, 'traceparent')?.split('-')[1]
  const id = ofKong ?? ofClient ?? ''
  return /^[0-9a-f]{32}$/.test(id) ? id : null
}
