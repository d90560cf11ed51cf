import type { FieldSpec, SchemaSpec } from '../schema/spec.ts'
import { checkRouteExpression } from './expression.ts'
import {
  addressRanges,
  headerName,
  headers,
  hosts,
  methods,
  name,
  protocol,
  routerPaths,
  seconds,
  tags,
  uuid,
  wildcardHost,
} from './typedefs.ts'

export const route: SchemaSpec = {
  name: 'routes',
  subschema_key: 'protocols',
  fields: [
    { id: uuid },
    { created_at: seconds },
    { updated_at: seconds },
    { name },
    {
      protocols: {
        type: 'set',
        len_min: 1,
        required: true,
        elements: protocol,
        mutually_exclusive_subsets: [
          ['http', 'https'],
          ['tcp', 'tls', 'udp'],
          ['tls_passthrough'],
          ['grpc', 'grpcs'],
        ],
        default: ['http', 'https'],
      },
    },
    {
      https_redirect_status_code: {
        type: 'integer',
        one_of: [426, 301, 302, 307, 308],
        default: 426,
        required: true,
      },
    },
    { strip_path: { type: 'boolean', required: true, default: true } },
    { preserve_host: { type: 'boolean', required: true, default: false } },
    { request_buffering: { type: 'boolean', required: true, default: true } },
    { response_buffering: { type: 'boolean', required: true, default: true } },
    { tags },
    { service: { type: 'foreign', reference: 'services' } },
    { snis: { type: 'set', elements: wildcardHost } },
    { sources: addressRanges },
    { destinations: addressRanges },
    { methods },
    { hosts },
    { paths: routerPaths },
    {
      headers: {
        ...headers,
        keys: {
          ...headerName,
          match_none: [
            {
              pattern: '^[Hh][Oo][Ss][Tt]$',
              err: "cannot contain 'host' header, which must be specified in the 'hosts' attribute",
            },
          ],
        },
      },
    },
    { regex_priority: { type: 'integer', default: 0 } },
    { path_handling: { type: 'string', default: 'v0', one_of: ['v0', 'v1'] } },
  ],
  entity_checks: [
    {
      conditional: {
        if_field: 'protocols',
        if_match: {
          elements: { type: 'string', not_one_of: ['grpcs', 'https', 'tls', 'tls_passthrough'] },
        },
        then_field: 'snis',
        then_match: { len_eq: 0 },
        then_err: "'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'",
      },
    },
    { custom_entity_check: { field_sources: ['path_handling'] } },
    {
      custom_entity_check: {
        run_with_missing_fields: true,
        field_sources: [
          'id',
          'protocols',
          'snis',
          'sources',
          'destinations',
          'methods',
          'hosts',
          'paths',
          'headers',
          'expression',
          'regex_priority',
          'priority',
        ],
        fn: checkRouteExpression,
      },
    },
  ],
}

const none = (spec: FieldSpec, field: string, when: string): FieldSpec => ({
  ...spec,
  eq: null,
  err: `cannot set '${field}' when 'protocols' is ${when}`,
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
  fields: [
    { sources: none(addressRanges, 'sources', HTTP) },
    { destinations: none(addressRanges, 'destinations', HTTP) },
  ],
  entity_checks: [oneOf('https', 'http', ['methods', 'hosts', 'headers', 'paths'])],
}

const stream: SchemaSpec = {
  name: 'tcp',
  fields: [
    { methods: none(methods, 'methods', STREAM) },
    { hosts: none(hosts, 'hosts', STREAM) },
    { paths: none(routerPaths, 'paths', STREAM) },
    { headers: none(headers, 'headers', STREAM) },
  ],
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
    { methods: none(methods, 'methods', GRPC) },
    { sources: none(addressRanges, 'sources', GRPC) },
    { destinations: none(addressRanges, 'destinations', GRPC) },
  ],
  entity_checks: [oneOf('grpcs', 'grpc', ['hosts', 'headers', 'paths'])],
}

/** What a route may and must hold depends on its first protocol. */
export const routeSubschemas: Readonly<Record<string, SchemaSpec>> = {
  http,
  https: http,
  tcp: stream,
  tls: stream,
  udp: stream,
  tls_passthrough: stream,
  grpc,
  grpcs: grpc,
}
