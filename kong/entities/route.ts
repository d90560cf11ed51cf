import { entryOf, type FieldSpec, type SchemaSpec } from '../schema/spec.ts'
import { defineEntity, type Reference } from './entity.ts'
import { checkRouteExpression } from './expression.ts'
import { checkRouterPath } from './paths.ts'
import type { Protocol } from './protocol.ts'
import { recordedSchema } from './recorded.ts'
import {
  checkAddressRange,
  checkHeaderName,
  checkHostPattern,
  checkName,
  checkTag,
  checkWildcardName,
} from './validators.ts'

export type AddressRange = {
  readonly ip?: string | null
  readonly port?: number | null
}

export type Route = {
  readonly id: string
  readonly created_at: number
  readonly updated_at: number
  readonly name: string | null
  readonly protocols: readonly Protocol[]
  readonly https_redirect_status_code: number
  readonly strip_path: boolean
  readonly preserve_host: boolean
  readonly request_buffering: boolean
  readonly response_buffering: boolean
  readonly tags: readonly string[] | null
  readonly service: Reference | null
  readonly snis: readonly string[] | null
  readonly sources: readonly AddressRange[] | null
  readonly destinations: readonly AddressRange[] | null
  readonly methods: readonly string[] | null
  readonly hosts: readonly string[] | null
  /** A path that starts with `~` is a regular expression, without the `~`. */
  readonly paths: readonly string[] | null
  readonly headers: Readonly<Record<string, readonly string[]>> | null
  readonly regex_priority: number | null
  readonly path_handling: 'v0' | 'v1' | null
  /** With `router_flavor = expressions` only; then nothing else is a criterion. */
  readonly expression?: string | null
  readonly priority?: number
}

const FIELDS = new Map(recordedSchema('entities', 'routes').fields.map(entryOf))

/** A field that routes of these protocols cannot have. */
const none = (field: string, protocols: string): { readonly [name: string]: FieldSpec } => ({
  [field]: { ...FIELDS.get(field), eq: null, err: `cannot set '${field}' when 'protocols' is ${protocols}` },
})

const HTTP = "'http' or 'https'"
const STREAM = "'tcp', 'tls', 'tls_passthrough' or 'udp'"
const GRPC = "'grpc' or 'grpcs'"

const oneOf = (withTls: string, without: string, fields: readonly string[]) => ({
  conditional_at_least_one_of: {
    if_field: 'protocols',
    if_match: { contains: withTls },
    then_at_least_one_of: [...fields, 'snis'],
    then_err: `must set one of %s when 'protocols' is '${withTls}'`,
    else_match: { contains: without },
    else_then_at_least_one_of: fields,
    else_then_err: `must set one of %s when 'protocols' is '${without}'`,
  },
})

const http: SchemaSpec = {
  name: 'http',
  fields: [none('sources', HTTP), none('destinations', HTTP)],
  entity_checks: [oneOf('https', 'http', ['methods', 'hosts', 'headers', 'paths'])],
}

const stream: SchemaSpec = {
  name: 'tcp',
  fields: [none('methods', STREAM), none('hosts', STREAM), none('paths', STREAM), none('headers', STREAM)],
  entity_checks: [
    {
      conditional_at_least_one_of: {
        if_field: 'protocols',
        if_match: { elements: { type: 'string', one_of: ['tcp', 'tls', 'udp'] } },
        then_at_least_one_of: ['sources', 'destinations', 'snis'],
        then_err: "must set one of %s when 'protocols' is 'tcp', 'tls' or 'udp'",
      },
    },
    {
      conditional_at_least_one_of: {
        if_field: 'protocols',
        if_match: { elements: { type: 'string', one_of: ['tls_passthrough'] } },
        then_at_least_one_of: ['snis'],
        then_err: "must set snis when 'protocols' is 'tls_passthrough'",
      },
    },
  ],
}

const grpc: SchemaSpec = {
  name: 'grpc',
  fields: [
    {
      strip_path: {
        type: 'boolean',
        required: true,
        default: false,
        ne: true,
        err: `cannot set 'strip_path' when 'protocols' is ${GRPC}`,
      },
    },
    none('methods', GRPC),
    none('sources', GRPC),
    none('destinations', GRPC),
  ],
  entity_checks: [oneOf('grpcs', 'grpc', ['hosts', 'headers', 'paths'])],
}

export const route = defineEntity({
  name: 'routes',
  noun: 'route',
  endpointKey: 'name',
  identity: [['name']],
  rules: {
    '': { subschema_key: 'protocols', checks: [() => undefined, checkRouteExpression] },
    name: checkName,
    'snis.elements': checkWildcardName,
    'sources.elements.ip': checkAddressRange,
    'destinations.elements.ip': checkAddressRange,
    'hosts.elements': checkHostPattern,
    'paths.elements': checkRouterPath,
    'headers.keys': checkHeaderName,
    'tags.elements': checkTag,
  },
  // What a route may and must hold depends on its first protocol.
  subschemas: {
    http,
    https: http,
    tcp: stream,
    tls: stream,
    udp: stream,
    tls_passthrough: stream,
    grpc,
    grpcs: grpc,
  },
})
