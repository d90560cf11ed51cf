/** The fields of an audited request, for people. */
import { formatNumber, formatTime, formatValue } from './format.ts'

/** In the order of reading. */
const TITLES: Readonly<Record<string, string>> = {
  time: 'Time',
  outcome: 'Outcome',
  reason: 'Reason',
  status: 'Status',
  method: 'Method',
  host: 'Host',
  path: 'Path',
  service_name: 'Service',
  route_name: 'Route',
  consumer_username: 'Consumer',
  consumer_custom_id: 'Custom ID of the consumer',
  client_ip: 'Address',
  forwarded_ip: 'Address it claims to forward',
  scheme: 'Kind of credential',
  key_visibility: 'Key',
  key_location: 'Key sent in',
  key_name: 'Name of the key field',
  key_fingerprint: 'Fingerprint of the key',
  key_secret_id: 'Secret of the fingerprint',
  answered_by: 'Answered by',
  upstream: 'Upstream',
  upstream_tries: 'Upstream tries',
  latency_ms: 'Took',
  latency_kong_ms: 'Of it in Kong',
  latency_upstream_ms: 'Of it in the service',
  internal: 'Internal request',
  sample_rate: 'Share recorded',
  request_id: 'Request ID',
  trace_id: 'Trace ID',
  consumer_id: 'Consumer ID',
  credential_id: 'Credential ID',
  service_id: 'Service ID',
  route_id: 'Route ID',
  node: 'Node',
  id: 'Event ID',
}

/** What is known of a request, without what is not set; fields that are not known here come last, by their names. */
export function factsOf(
  record: Readonly<Record<string, unknown>>,
): (readonly [title: string, text: string])[] {
  const names = [...new Set([...Object.keys(TITLES), ...Object.keys(record)])]
  return (
    names
      // Kong gives -1 for the time of a service that was not asked.
      .filter(name => record[name] !== null && record[name] !== undefined && record[name] !== -1)
      .map(name => [TITLES[name] ?? name, textOf(name, record[name])])
  )
}

const ANSWERERS: Readonly<Record<string, string>> = {
  service: 'the service',
  error: 'Kong, as no service could be reached',
  exit: 'Kong or a plugin, before a service was asked',
}

function textOf(name: string, value: unknown): string {
  if (name === 'time') return formatTime(String(value))
  if (name === 'sample_rate') return `${formatNumber(Number(value) * 100)} %`
  if (name === 'answered_by') return ANSWERERS[String(value)] ?? String(value)
  if (name === 'reason') return String(value).replaceAll('_', ' ')
  return `${formatValue(value)}${name.endsWith('_ms') ? ' ms' : ''}`
}
