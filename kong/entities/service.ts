import { defineEntity, type Reference } from './entity.ts'
import { checkUriPath } from './paths.ts'
import type { Protocol } from './protocol.ts'
import { splitUrl } from './url.ts'
import { checkHost, checkName, checkTag } from './validators.ts'

export type Service = {
  readonly id: string
  readonly created_at: number
  readonly updated_at: number
  readonly name: string | null
  readonly protocol: Protocol
  readonly host: string
  readonly port: number
  readonly path: string | null
  /** Tries after the first one. */
  readonly retries: number | null
  /** Milliseconds, as are the other two. */
  readonly connect_timeout: number | null
  readonly write_timeout: number | null
  readonly read_timeout: number | null
  readonly enabled: boolean
  readonly tags: readonly string[] | null
  readonly client_certificate: Reference | null
  readonly tls_verify: boolean | null
  readonly tls_verify_depth: number | null
  readonly ca_certificates: readonly string[] | null
}

export const service = defineEntity({
  name: 'services',
  noun: 'service',
  endpointKey: 'name',
  identity: [['name']],
  rules: {
    '': { shorthand_fields: [{ url: { type: 'string', func: partsOfUrl } }] },
    name: checkName,
    host: checkHost,
    path: checkUriPath,
    'tags.elements': checkTag,
  },
})

/** The parts of a URL that a service is made of. */
function partsOfUrl(given: string | null): Record<string, unknown> {
  // Lua's text of a null is read as a URL with a scheme and a path, and told as such.
  const { scheme, host, port, path } = splitUrl(given ?? 'userdata: NULL')
  const portNumber = port ? Number(port) : undefined
  const protocol = scheme ?? (portNumber === 443 ? 'https' : 'http')
  return {
    protocol,
    host: host ?? null,
    port: portNumber ?? (protocol === 'https' ? 443 : 80),
    path: path ?? null,
  }
}
