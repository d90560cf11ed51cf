import type { EventDraft } from '../sdk/event.ts'

/** An audit event of the usual size (about 1,050 bytes as JSON), each with its own identity and time. */
export function auditDraft(n: number, startMs: number): EventDraft {
  const hex = n.toString(16).padStart(12, '0')
  return {
    type: 'key-auth.granted.v1',
    subject: `consumer/617874d3-4bcb-46e2-be80-${hex}`,
    timeMs: startMs + n,
    identity: `b0da2f0a471dac435ffa${hex}:6f1c2f52-0a5e-4d7c-9c5c-1f0f3c0d9a11`,
    data: {
      request_id: `b0da2f0a471dac435ffa${hex}`,
      trace_id: null,
      internal: null,
      outcome: 'granted',
      reason: null,
      scheme: 'key',
      consumer_id: `617874d3-4bcb-46e2-be80-${(n % 1000).toString(16).padStart(12, '0')}`,
      consumer_username: `consumer-${n % 1000}`,
      consumer_custom_id: null,
      credential_id: `1d651a62-0c2d-432d-8d24-${(n % 1000).toString(16).padStart(12, '0')}`,
      key_fingerprint: `${hex}7a6c1f0de2a94b7c8d5e6f70818293a4b5c6d7e8f9a0b1c2d3e4`,
      key_secret_id: '1f0f3c0d',
      key_visibility: 'visible',
      key_location: 'header',
      key_name: 'apikey',
      client_ip: `203.0.113.${n % 250}`,
      forwarded_ip: null,
      method: 'GET',
      host: 'api.example.com',
      path: '/dictionary/serendipity',
      route_id: '2e4d5f15-d0fa-416a-b5ee-9a192889b489',
      route_name: 'dictionary',
      service_id: 'f03d2969-47a9-45c1-b909-bc46ef7d30b4',
      service_name: 'dictionary',
      status: 200,
      answered_by: 'service',
      upstream: '10.0.0.17:8000',
      upstream_tries: 1,
      latency_ms: 7,
      latency_kong_ms: 1,
      latency_upstream_ms: 6,
      sample_rate: 1,
    },
  }
}
