import { type EventType, Type } from '../../sdk/sdk.ts'

const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T, description: string) =>
  Type.Union([schema, Type.Null()], { description })
const id = (description: string) => nullable(Type.String(), description)
const oneOf = (names: readonly string[]) => Type.Union(names.map(name => Type.Literal(name)))

/** What is recorded of a request. */
const access = Type.Object({
  request_id: id("Kong's id of the request"),
  trace_id: id('of a W3C or B3 trace, 32 hexadecimal digits'),
  internal: nullable(
    oneOf(['part', 'refresh']),
    'not sent by a client, but for one: a part of an aggregate, a fetch of the cache',
  ),
  outcome: oneOf(['granted', 'denied', 'anonymous']),
  reason: nullable(
    oneOf(['missing', 'duplicate', 'invalid', 'missing_or_invalid', 'forbidden', 'limited', 'error']),
    'why it was denied, or why the client is anonymous; `error` of a granted request: no service answered',
  ),
  scheme: Type.Union(oneOf(['key', 'basic', 'bearer', 'unknown']).anyOf, {
    description: 'kind of credential',
  }),
  consumer_id: id('of the consumer, the anonymous one included'),
  consumer_username: id('its name'),
  consumer_custom_id: id('its id in another system'),
  credential_id: id('of the credential in Kong'),
  key_fingerprint: id('HMAC-SHA256(secret, key), hexadecimal; `sluice fingerprint` computes it for a key'),
  key_secret_id: id('which secret the fingerprint was made with'),
  key_visibility: Type.Union(oneOf(['visible', 'none', 'hidden', 'several', 'unreadable']).anyOf, {
    description:
      'why there is no fingerprint: no key was sent, key-auth has hidden it, several were sent, or it was no UTF-8',
  }),
  key_location: nullable(oneOf(['header', 'query']), 'where the key was'),
  key_name: id('name of that header or parameter'),
  client_ip: id(
    'as Kong sees it; of an internal request, that of its client. Its network with `anonymize_ip`',
  ),
  forwarded_ip: id('first address of X-Forwarded-For, which the client may have made up'),
  method: id('HTTP method'),
  host: id('host asked for'),
  path: id('path asked for, without its query; `(hidden)` where a segment may be a key'),
  route_id: id('route in Kong'),
  route_name: id('its name'),
  service_id: id('service in Kong'),
  service_name: id('its name'),
  status: nullable(Type.Integer(), 'status of the answer; 499: the client left'),
  answered_by: Type.Union(oneOf(['service', 'error', 'exit']).anyOf, {
    description:
      'the service; Kong, because no service could be reached; Kong or a plugin, before any was asked',
  }),
  upstream: id('address and port that was tried last'),
  upstream_tries: Type.Integer({ description: 'how many addresses were tried' }),
  latency_ms: nullable(Type.Integer(), 'whole request, milliseconds'),
  latency_kong_ms: nullable(Type.Integer(), 'of it in Kong'),
  latency_upstream_ms: nullable(Type.Integer(), 'of it at the service'),
  sample_rate: Type.Number({
    description: 'share of such requests that is recorded: count each as 1 / this',
  }),
})

export const AUDIT_EVENTS: readonly EventType[] = [
  {
    type: 'key-auth.granted.v1',
    doc: 'A request was let through, with a credential or as the anonymous consumer.',
    data: access,
    expendable: true,
  },
  {
    type: 'key-auth.denied.v1',
    doc: 'A request was refused: for its credential, or after it by another plugin.',
    data: access,
  },
  {
    type: 'key-auth.brute-force.v1',
    doc: 'Many failures of one address, or one unknown key from many addresses; once a window.',
    data: Type.Object({
      pattern: Type.Union(oneOf(['address', 'fingerprint']).anyOf, {
        description: 'what the failures have in common',
      }),
      client_ip: id('the address'),
      key_fingerprint: id('the unknown key'),
      failures: Type.Integer({ description: 'failures in the window so far' }),
      addresses: Type.Integer({ description: 'addresses in the window so far' }),
      window_seconds: Type.Integer(),
    }),
  },
  {
    type: 'key-auth.first-seen.v1',
    doc: 'A credential was used from a network that it had not been used from before, as far as this process knows.',
    data: Type.Object({
      credential_id: Type.String(),
      consumer_id: id('its consumer'),
      consumer_username: id('the name of its consumer'),
      network: Type.String({ description: '/24 of IPv4, /48 of IPv6' }),
      known_networks: Type.Integer({ description: 'networks it had been used from' }),
    }),
  },
]
