import type { SchemaSpec } from '../schema/spec.ts'
import { host, name, path, port, protocol, seconds, tags, timeoutMs, uuid } from './typedefs.ts'

/** The parts of a URL that a service is made of, as Kong (luasocket) takes them apart. */
function partsOfUrl(given: string | null): Record<string, unknown> {
  // Lua's text of a null is read as a URL with a scheme and a path, and told as such.
  const url = given ?? 'userdata: NULL'
  const match = /^(?:([A-Za-z0-9][A-Za-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)/.exec(url)
  const authority = match?.[2]?.replace(/^[^@]*@/, '')
  const portText = /:([^:\]]*)$/.exec(authority ?? '')?.[1]
  const hostText = authority?.replace(/:[^:\]]*$/, '').replace(/^\[(.*)\]$/, '$1')
  const portNumber = portText ? Number(portText) : undefined
  const scheme = match?.[1] ?? (portNumber === 443 ? 'https' : 'http')
  return {
    protocol: scheme,
    host: hostText || null,
    port: portNumber ?? (scheme === 'https' ? 443 : 80),
    path: match?.[3]?.replace(/;.*$/, '') || null,
  }
}

/** A rule that leaves `field` empty for every protocol that cannot use it. */
const onlyWithTls = (field: string) => ({
  conditional: {
    if_field: 'protocol',
    if_match: { not_one_of: ['https', 'tls'] },
    then_field: field,
    then_match: { eq: null },
  },
})

export const service: SchemaSpec = {
  name: 'services',
  fields: [
    { id: uuid },
    { created_at: seconds },
    { updated_at: seconds },
    { name },
    { retries: { type: 'integer', default: 5, between: [0, 32_767] } },
    { protocol: { ...protocol, required: true, default: 'http' } },
    { host: { ...host, required: true } },
    { port: { ...port, required: true, default: 80 } },
    { path },
    { connect_timeout: timeoutMs },
    { write_timeout: timeoutMs },
    { read_timeout: timeoutMs },
    { tags },
    { client_certificate: { type: 'foreign', reference: 'certificates' } },
    { tls_verify: { type: 'boolean' } },
    { tls_verify_depth: { type: 'integer', default: null, between: [0, 64] } },
    { ca_certificates: { type: 'array', elements: { type: 'string', uuid: true } } },
    { enabled: { type: 'boolean', required: true, default: true } },
  ],
  entity_checks: [
    {
      conditional: {
        if_field: 'protocol',
        if_match: { one_of: ['tcp', 'tls', 'udp', 'grpc', 'grpcs'] },
        then_field: 'path',
        then_match: { eq: null },
      },
    },
    onlyWithTls('client_certificate'),
    onlyWithTls('tls_verify'),
    onlyWithTls('tls_verify_depth'),
    onlyWithTls('ca_certificates'),
  ],
  shorthand_fields: [{ url: { type: 'string', func: partsOfUrl } }],
}
