/**
 * The PDK calls that Kong 3.9 offers to a plugin server: what each takes and gives in ProtoBuf:1. Those marked null
 * exist in MsgPack:1 only. From Kong's protocol definition and the recorded calls (`test/contract`).
 */
import type { TypeName } from './types.ts'

type Signature = readonly [input: TypeName, output: TypeName] | null

export const METHODS = {
  'kong.client.get_ip': ['Empty', 'String'],
  'kong.client.get_forwarded_ip': ['Empty', 'String'],
  'kong.client.get_port': ['Empty', 'Int'],
  'kong.client.get_forwarded_port': ['Empty', 'Int'],
  'kong.client.get_credential': ['Empty', 'AuthenticatedCredential'],
  'kong.client.load_consumer': ['ConsumerSpec', 'Consumer'],
  'kong.client.get_consumer': ['Empty', 'Consumer'],
  'kong.client.authenticate': ['AuthenticateArgs', 'Empty'],
  'kong.client.get_protocol': ['Bool', 'String'],
  'kong.client.tls.get_full_client_certificate_chain': null,

  'kong.cluster.get_id': null,

  'kong.ctx.shared.set': ['KV', 'Empty'],
  'kong.ctx.shared.get': ['String', 'Value'],

  'kong.ip.is_trusted': ['String', 'Bool'],

  'kong.log.alert': ['ListValue', 'Empty'],
  'kong.log.crit': ['ListValue', 'Empty'],
  'kong.log.err': ['ListValue', 'Empty'],
  'kong.log.warn': ['ListValue', 'Empty'],
  'kong.log.notice': ['ListValue', 'Empty'],
  'kong.log.info': ['ListValue', 'Empty'],
  'kong.log.debug': ['ListValue', 'Empty'],
  'kong.log.set_serialize_value': ['KV', 'Empty'],
  'kong.log.serialize': ['Empty', 'String'],

  'kong.nginx.get_var': ['String', 'String'],
  'kong.nginx.get_tls1_version_str': ['Empty', 'String'],
  'kong.nginx.set_ctx': ['KV', 'String'],
  'kong.nginx.get_ctx': ['String', 'Value'],
  'kong.nginx.req_start_time': ['Empty', 'Number'],
  'kong.nginx.get_subsystem': ['Empty', 'String'],
  'kong.nginx.get_statistics': null,

  'kong.node.get_id': ['Empty', 'String'],
  'kong.node.get_hostname': null,
  'kong.node.get_memory_stats': ['Empty', 'MemoryStats'],

  'kong.plugin.get_id': null,

  'kong.request.get_scheme': ['Empty', 'String'],
  'kong.request.get_host': ['Empty', 'String'],
  'kong.request.get_port': ['Empty', 'Int'],
  'kong.request.get_forwarded_scheme': ['Empty', 'String'],
  'kong.request.get_forwarded_host': ['Empty', 'String'],
  'kong.request.get_forwarded_port': ['Empty', 'Int'],
  'kong.request.get_forwarded_path': null,
  'kong.request.get_forwarded_prefix': null,
  'kong.request.get_http_version': ['Empty', 'Number'],
  'kong.request.get_method': ['Empty', 'String'],
  'kong.request.get_path': ['Empty', 'String'],
  'kong.request.get_raw_path': null,
  'kong.request.get_path_with_query': ['Empty', 'String'],
  'kong.request.get_raw_query': ['Empty', 'String'],
  'kong.request.get_query_arg': ['String', 'String'],
  'kong.request.get_query': ['Int', 'Struct'],
  'kong.request.get_header': ['String', 'String'],
  'kong.request.get_headers': ['Int', 'Struct'],
  'kong.request.get_raw_body': ['Empty', 'RawBodyResult'],
  'kong.request.get_body': null,
  'kong.request.get_start_time': null,
  'kong.request.get_uri_captures': ['Empty', 'UriCapturesResult'],

  'kong.response.get_status': ['Empty', 'Int'],
  'kong.response.get_header': ['String', 'String'],
  'kong.response.get_headers': ['Int', 'Struct'],
  'kong.response.get_source': ['Empty', 'String'],
  'kong.response.get_raw_body': null,
  'kong.response.set_status': ['Int', 'Empty'],
  'kong.response.set_header': ['KV', 'Empty'],
  'kong.response.add_header': ['KV', 'Empty'],
  'kong.response.clear_header': ['String', 'Empty'],
  'kong.response.set_headers': ['Struct', 'Empty'],
  'kong.response.set_raw_body': null,
  'kong.response.exit': ['ExitArgs', 'Empty'],
  'kong.response.error': null,

  'kong.router.get_route': ['Empty', 'Route'],
  'kong.router.get_service': ['Empty', 'Service'],

  'kong.service.set_upstream': ['String', 'Bool'],
  'kong.service.set_target': ['Target', 'Empty'],
  'kong.service.set_retries': null,
  'kong.service.set_timeouts': null,

  'kong.service.request.enable_buffering': null,
  'kong.service.request.set_scheme': ['String', 'Empty'],
  'kong.service.request.set_path': ['String', 'Empty'],
  'kong.service.request.set_raw_query': ['String', 'Empty'],
  'kong.service.request.set_method': ['String', 'Empty'],
  'kong.service.request.set_query': ['Struct', 'Empty'],
  'kong.service.request.set_header': ['KV', 'Empty'],
  'kong.service.request.add_header': ['KV', 'Empty'],
  'kong.service.request.clear_header': ['String', 'Empty'],
  'kong.service.request.set_headers': ['Struct', 'Empty'],
  'kong.service.request.set_raw_body': ['ByteString', 'Empty'],

  'kong.service.response.get_status': ['Empty', 'Int'],
  'kong.service.response.get_header': ['String', 'String'],
  'kong.service.response.get_headers': ['Int', 'Struct'],
  'kong.service.response.get_raw_body': ['Empty', 'ByteString'],

  'kong.vault.get': null,
  'kong.vault.is_reference': null,
} as const satisfies Record<string, Signature>

export type Method = keyof typeof METHODS
