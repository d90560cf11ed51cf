import { hash } from 'node:crypto'
import { networkOf } from '../../sdk/log-data/address.ts'
import { whoAnswered } from '../../sdk/log-data/answered-by.ts'
import { conceal, concealPath } from '../../sdk/log-data/conceal.ts'
import { keyTexts } from '../../sdk/log-data/key.ts'
import { header, number, record, type Serialized, text } from '../../sdk/log-data/serialized.ts'
import type { RequestLogConfig } from './config.ts'
import type { RequestSpan } from './tracing.ts'

/** A request as its line shows it. Every field is picked one by one: what is not named here can't leak. */
export type RequestLine = ReturnType<typeof requestLine>

/** @param span undefined where there is no trace. */
export function requestLine(log: Serialized, config: RequestLogConfig, span: RequestSpan | undefined) {
  return {
    time: new Date(number(log.started_at) ?? 0).toISOString(),
    request_id: text(record(log.request).id) ?? null,
    trace_id: span?.traceId ?? null,
    span_id: span && !span.isForeign ? span.spanId : null,
    ...whatWasAsked(log, config),
    ...whatWasAnswered(log),
  }
}

/**
 * As it is written. JSON escapes the control characters below space only; a terminal obeys those above as well, and some
 * readers end a line at U+2028.
 */
export const lineText = (line: RequestLine): string =>
  `${JSON.stringify(line).replace(UNPRINTABLE, one => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`

const UNPRINTABLE = /[\u007f-\u009f\u2028\u2029]/g

function whatWasAsked(log: Serialized, config: RequestLogConfig) {
  const request = record(log.request)
  const secrets = keyTexts(log, config.key_names)
  const ip = text(log.client_ip)
  const shown = (value: string | undefined) => (value === undefined ? null : conceal(value, secrets))
  return {
    method: shown(text(request.method)),
    host: shown(header(request.headers, 'host')),
    path: pathOf(text(request.uri), secrets, config.path),
    route: nameOf(log.route, 'id'),
    service: nameOf(log.service, 'host'),
    consumer: text(record(log.consumer).username) ?? text(record(log.consumer).id) ?? null,
    client_ip: (ip !== undefined && config.anonymize_ip ? networkOf(ip) : ip) ?? null,
    // Cut behind that: the beginning of a key is one, too.
    user_agent: shown(header(request.headers, 'user-agent'))?.slice(0, 200) ?? null,
    request_bytes: number(request.size) ?? null,
  }
}

function whatWasAnswered(log: Serialized) {
  const latencies = record(log.latencies)
  const tries = Array.isArray(log.tries) ? log.tries.map(record) : []
  return {
    status: statusOf(log),
    answered_by: whoAnswered(log),
    latency_ms: number(latencies.request) ?? null,
    latency_kong_ms: number(latencies.kong) ?? null,
    latency_upstream_ms: tries.length === 0 ? null : (number(latencies.proxy) ?? null),
    response_bytes: number(record(log.response).size) ?? null,
    upstream_tries: tries.length,
  }
}

export const statusOf = (log: Serialized): number => number(record(log.response).status) ?? 0

/** As Kong's plugin prometheus names them: a service by its name or host, a route by its name or id. */
export function nameOf(entity: unknown, otherwise: 'host' | 'id'): string | null {
  const fields = record(entity)
  return text(fields.name) ?? text(fields[otherwise]) ?? null
}

function pathOf(
  uri: string | undefined,
  secrets: readonly string[],
  mode: RequestLogConfig['path'],
): string | null {
  if (uri === undefined || mode === 'none') return null
  return concealPath(uri.replace(/[?#].*$/s, ''), secrets, mode)
}

/** Whether the request gets a line whatever the sample says: it failed, or was slow. */
export function isRemarkable(log: Serialized, slowMs: number): boolean {
  return (
    statusOf(log) >= 500 ||
    whoAnswered(log) === 'error' ||
    (number(record(log.latencies).request) ?? 0) > slowMs
  )
}

/** The same decision each time that Kong delivers the same log event. */
export function isChosen(log: Serialized, share: number): boolean {
  if (share >= 1) return true
  const identity = text(record(log.request).id) ?? String(log.started_at)
  return Number.parseInt(hash('sha256', identity, 'hex').slice(0, 8), 16) / 2 ** 32 < share
}
