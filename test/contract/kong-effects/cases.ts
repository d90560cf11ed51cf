/** Requests, and the calls that a plugin makes in their access phase. */
import type { PuppetCall } from '../../support/puppet-server.ts'

export interface EffectCase {
  readonly name: string
  readonly calls: readonly PuppetCall[]
  readonly method?: string
  /**
   * `named`: of a service whose host is a name; the other one's is an address. `late`: the calls are made in the
   * response phase, not in access.
   */
  readonly route?: 'named' | 'late'
  /** Behind the route's path. */
  readonly target?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

const toUpstream: readonly EffectCase[] = [
  { name: 'a header', calls: [['kong.service.request.set_header', 'X-A', 'one']] },
  {
    name: 'a header that was there',
    headers: { 'x-a': 'old' },
    calls: [['kong.service.request.set_header', 'X-A', 'new']],
  },
  { name: 'a number as a header', calls: [['kong.service.request.set_header', 'x-a', 5]] },
  { name: 'a fraction as a header', calls: [['kong.service.request.set_header', 'x-a', 1.5]] },
  { name: 'a boolean as a header', calls: [['kong.service.request.set_header', 'x-a', true]] },
  { name: 'several values of a header', calls: [['kong.service.request.set_header', 'x-a', ['1', '2']]] },
  { name: 'an empty header', calls: [['kong.service.request.set_header', 'x-a', '']] },
  { name: 'a header beyond ASCII', calls: [['kong.service.request.set_header', 'x-a', 'grüße']] },
  { name: 'the host header', calls: [['kong.service.request.set_header', 'Host', 'other.test']] },
  {
    name: 'one more value',
    headers: { 'x-a': 'old' },
    calls: [['kong.service.request.add_header', 'x-a', 'new']],
  },
  { name: 'one value where there was none', calls: [['kong.service.request.add_header', 'x-a', 'new']] },
  {
    name: 'a header taken away',
    headers: { 'x-a': 'old' },
    calls: [['kong.service.request.clear_header', 'X-A']],
  },
  {
    name: 'many headers at once',
    headers: { 'x-a': 'old' },
    calls: [['kong.service.request.set_headers', { 'x-a': 'new', 'x-n': 5, 'x-l': ['p', 'q'] }]],
  },
  { name: 'a query', calls: [['kong.service.request.set_query', { z: '1', l: ['a', 'b'], t: true, n: 5 }]] },
  {
    name: 'a query with text to escape',
    calls: [['kong.service.request.set_query', { 'a b': "ü&=/?'()*~!" }]],
  },
  { name: 'an empty query', calls: [['kong.service.request.set_query', {}]] },
  { name: 'a raw query', calls: [['kong.service.request.set_raw_query', 'q=9&x']] },
  { name: 'no raw query', calls: [['kong.service.request.set_raw_query', '']] },
  { name: 'a raw query that is not escaped', calls: [['kong.service.request.set_raw_query', 'q=a b']] },
  {
    name: 'a raw query with all that needs no escape',
    calls: [['kong.service.request.set_raw_query', 'q="<>%zz|#x']],
  },
  { name: 'a path', calls: [['kong.service.request.set_path', '/set/path']] },
  { name: 'a path to escape', calls: [['kong.service.request.set_path', '/a b/ü/%41%zz']] },
  { name: 'a path with a question mark', calls: [['kong.service.request.set_path', '/a?b=c']] },
  { name: 'a method', method: 'POST', body: 'text', calls: [['kong.service.request.set_method', 'PUT']] },
  {
    name: 'a body',
    method: 'POST',
    body: 'text',
    calls: [['kong.service.request.set_raw_body', Buffer.from('longer text')]],
  },
  { name: 'a body where there was none', calls: [['kong.service.request.set_raw_body', Buffer.from('new')]] },
  { name: 'a target by name', calls: [['kong.service.set_upstream', 'pool.test']] },
  {
    name: 'a target by name for a service by name',
    route: 'named',
    calls: [['kong.service.set_upstream', 'pool.test']],
  },
  {
    name: 'an address for a service by name',
    route: 'named',
    calls: [['kong.service.set_target', '127.0.0.2', 1]],
  },
  { name: 'a host name for a service by address', calls: [['kong.service.set_target', 'localhost', 1]] },
  { name: 'a target by a name that is not known', calls: [['kong.service.set_upstream', 'none.test']] },
  { name: 'a target by address', calls: [['kong.service.set_target', '127.0.0.2', 1]] },
]

const toClient: readonly EffectCase[] = [
  { name: 'a header of the response', calls: [['kong.response.set_header', 'X-A', 'one']] },
  { name: 'several values in the response', calls: [['kong.response.set_header', 'x-a', ['1', '2']]] },
  {
    name: 'one more value in the response',
    calls: [
      ['kong.response.set_header', 'x-a', '1'],
      ['kong.response.add_header', 'x-a', '2'],
      ['kong.response.add_header', 'x-b', '3'],
    ],
  },
  {
    name: 'a header of the response taken away',
    calls: [
      ['kong.response.set_header', 'x-a', '1'],
      ['kong.response.clear_header', 'X-A'],
    ],
  },
  {
    name: 'a header that the upstream sends too',
    calls: [['kong.response.set_header', 'x-upstream', 'mine']],
  },
  {
    name: 'a header that only exists once',
    calls: [['kong.response.set_header', 'content-type', 'text/mine']],
  },
  { name: 'the framing of the response', calls: [['kong.response.set_header', 'transfer-encoding', 'x']] },
  { name: 'an empty header of the response', calls: [['kong.response.set_header', 'x-a', '']] },
  { name: 'a header of the response beyond ASCII', calls: [['kong.response.set_header', 'x-a', 'grüße']] },
  {
    name: 'many headers of the response',
    calls: [['kong.response.set_headers', { 'x-a': '1', 'x-n': 5, 'x-l': ['p', 'q'] }]],
  },
  { name: 'a status before there is a response', calls: [['kong.response.set_status', 201]] },
]

const exits: readonly EffectCase[] = [
  { name: 'an exit', calls: [['kong.response.exit', 418, Buffer.from('tea'), { 'x-exit': '1' }]] },
  { name: 'an exit without a body', calls: [['kong.response.exit', 204]] },
  {
    name: 'an exit with a type and nothing else',
    calls: [['kong.response.exit', 204, Buffer.from(''), { 'content-type': 'text/x' }]],
  },
  {
    name: 'an exit with a type',
    calls: [['kong.response.exit', 429, Buffer.from('{}'), { 'content-type': 'application/json' }]],
  },
  {
    name: 'an exit of text',
    calls: [['kong.response.exit', 200, Buffer.from('hello'), { 'Content-Type': 'text/plain' }]],
  },
  {
    name: 'an exit with several values',
    calls: [['kong.response.exit', 200, Buffer.from('x'), { 'x-l': ['a', 'b'], 'x-n': 5, 'x-t': true }]],
  },
  { name: 'an exit to HEAD', method: 'HEAD', calls: [['kong.response.exit', 418, Buffer.from('tea')]] },
  {
    name: 'an exit after headers were set',
    calls: [
      ['kong.response.set_headers', { 'x-a': 'early', 'x-b': 'early' }],
      ['kong.response.exit', 418, Buffer.from('tea'), { 'x-b': 'late' }],
    ],
  },
  {
    name: 'an exit with a length of its own',
    calls: [['kong.response.exit', 200, Buffer.from('abc'), { 'content-length': '3' }]],
  },
  {
    name: 'an exit beyond ASCII',
    calls: [['kong.response.exit', 200, Buffer.from('grüße'), { 'x-a': 'ü' }]],
  },
]

const refused: readonly EffectCase[] = [
  { name: 'a status that is none', calls: [['kong.response.set_status', 99]] },
  { name: 'a method that is none', calls: [['kong.service.request.set_method', 'FOO']] },
  { name: 'a path without a slash', calls: [['kong.service.request.set_path', 'x']] },
  { name: 'a scheme that is none', calls: [['kong.service.request.set_scheme', 'ftp']] },
  { name: 'no headers at all', calls: [['kong.request.get_headers', 0]] },
  { name: 'too many headers', calls: [['kong.request.get_headers', 1001]] },
  { name: 'too many arguments', calls: [['kong.request.get_query', 1001]] },
  {
    name: 'a consumer by a name that was not said to be one',
    calls: [['kong.client.load_consumer', 'eddie', false]],
  },
  { name: 'an exit with a status that is none', calls: [['kong.response.exit', 99, Buffer.from('x')]] },
  { name: 'a port that is none', calls: [['kong.service.set_target', '127.0.0.1', 70_000]] },
  { name: 'a table as a header', calls: [['kong.service.request.set_header', 'x-a', { b: 'c' }]] },
  { name: 'a false header', calls: [['kong.service.request.set_header', 'x-a', false]] },
  { name: 'numbers among the values of a header', calls: [['kong.response.set_header', 'x-a', ['1', 2]]] },
  { name: 'the log of a request under way', calls: [['kong.log.serialize']] },
]

const read: readonly EffectCase[] = [
  {
    name: 'what was changed is read back',
    method: 'POST',
    body: 'text',
    calls: [
      ['kong.service.request.set_header', 'x-a', ['1', '2']],
      ['kong.request.get_header', 'X-A'],
      ['kong.service.request.set_raw_query', 'n=1&n=2&flag&e='],
      ['kong.request.get_raw_query'],
      ['kong.request.get_query', 100],
      ['kong.request.get_query_arg', 'n'],
      ['kong.request.get_query_arg', 'none'],
      ['kong.request.get_path_with_query'],
      ['kong.service.request.set_method', 'PUT'],
      ['kong.request.get_method'],
      ['kong.service.request.set_raw_body', Buffer.from('other')],
      ['kong.request.get_raw_body'],
    ],
  },
  {
    name: 'the path is normalised, the query is not',
    target: '/%7Ea//b/../c%2Fd/%C3%BC?x=%41+b&y=%zz&=v&&z',
    calls: [
      ['kong.request.get_path'],
      ['kong.request.get_path_with_query'],
      ['kong.request.get_raw_query'],
      ['kong.request.get_query', 100],
      ['kong.request.get_query', 2],
    ],
  },
  {
    name: 'headers of many kinds',
    headers: { 'x-comma': 'a, b', 'x-empty': '', cookie: 'c=1; d=2' },
    calls: [
      ['kong.request.get_header', 'x-comma'],
      ['kong.request.get_header', 'x-empty'],
      ['kong.request.get_header', 'x_comma'],
      ['kong.request.get_header', 'none'],
      ['kong.request.get_headers', 3],
    ],
  },
  {
    name: 'values shared with other plugins',
    calls: [
      ['kong.ctx.shared.set', 'text', 'x'],
      ['kong.ctx.shared.get', 'text'],
      ['kong.ctx.shared.set', 'list', ['a', 1, true]],
      ['kong.ctx.shared.get', 'list'],
      ['kong.ctx.shared.set', 'map', { a: { b: [] } }],
      ['kong.ctx.shared.get', 'map'],
      ['kong.ctx.shared.set', 'no', false],
      ['kong.ctx.shared.get', 'no'],
      ['kong.ctx.shared.set', 'text', null],
      ['kong.ctx.shared.get', 'text'],
      ['kong.nginx.set_ctx', 'mine', 7],
      ['kong.nginx.get_ctx', 'mine'],
    ],
  },
  {
    name: "nginx's variables",
    target: '/v?a=1&b',
    headers: { 'x-multi-word': 'w', cookie: 'c=1; d=2' },
    calls: [
      'request',
      'request_method',
      'request_uri',
      'uri',
      'args',
      'query_string',
      'is_args',
      'scheme',
      'host',
      'remote_addr',
      'server_addr',
      'server_protocol',
      'http_x_multi_word',
      'http_none',
      'arg_a',
      'arg_b',
      'arg_none',
      'cookie_d',
      'content_type',
      'content_length',
      'upstream_uri',
      'upstream_scheme',
      'http_host',
      'https',
      'request_length',
      'status',
      'no_such_variable',
    ].map(name => ['kong.nginx.get_var', name] as const),
  },
  {
    name: 'who was authenticated by a plugin',
    calls: [
      [
        'kong.client.authenticate',
        { id: '9dd3613e-c08e-47fb-99cf-ac5b7efb25d8', username: 'made up' },
        { id: '80a61457-175c-4fac-a75f-0c90d84b873f' },
      ],
      ['kong.client.get_consumer'],
      ['kong.client.get_credential'],
      ['kong.client.load_consumer', 'eddie', true],
      ['kong.client.load_consumer', 'nobody', true],
      ['kong.client.load_consumer', '00000000-0000-4000-8000-000000000000', false],
      ['kong.client.get_protocol', true],
    ],
  },
]

const late = (name: string, ...calls: readonly PuppetCall[]): EffectCase => ({ name, route: 'late', calls })

const inResponse: readonly EffectCase[] = [
  late('nothing, with the whole response at hand'),
  late(
    'the response is read',
    ['kong.response.get_status'],
    ['kong.response.get_header', 'X-Upstream'],
    ['kong.response.get_headers', 100],
    ['kong.response.get_source'],
    ['kong.service.response.get_status'],
    ['kong.service.response.get_header', 'x-upstream'],
    ['kong.service.response.get_headers', 100],
    ['kong.service.response.get_raw_body'],
    ['kong.request.get_method'],
    ['kong.client.get_ip'],
    ['kong.router.get_service'],
  ),
  late('a status of the response', ['kong.response.set_status', 201]),
  late(
    'headers of the response',
    ['kong.response.set_header', 'x-upstream', 'mine'],
    ['kong.response.add_header', 'x-added', '1'],
    ['kong.response.clear_header', 'content-type'],
    ['kong.response.get_header', 'x-upstream'],
  ),
  late('another response', ['kong.response.exit', 418, Buffer.from('tea'), { 'x-exit': '1' }]),
  late('another response without a body', ['kong.response.exit', 204]),
  late('a change of the request that comes too late', ['kong.service.request.set_header', 'x-a', '1']),
  late('who is authenticated, too late', ['kong.client.authenticate', { id: 'x' }, { id: 'y' }]),
  { ...late('nothing, to HEAD'), method: 'HEAD' },
  {
    ...late('the body of a request that is over', ['kong.request.get_raw_body']),
    method: 'POST',
    body: 'text',
  },
]

const hostile: readonly EffectCase[] = [
  {
    name: 'a line end in a header for the upstream',
    calls: [['kong.service.request.set_header', 'x-a', 'one\r\nx-evil: 1']],
  },
  {
    name: 'a line end in an added header for the upstream',
    calls: [['kong.service.request.add_header', 'x-a', 'one\nx-evil: 1']],
  },
  {
    name: 'control characters in a header for the upstream',
    calls: [['kong.service.request.set_header', 'x-a', 'a\u0000b\tc\u001fd\u007fe']],
  },
  {
    name: 'a line end in a header of the response',
    calls: [['kong.response.set_header', 'x-a', 'one\r\nx-evil: 1']],
  },
  {
    name: 'control characters in a header of the response',
    calls: [['kong.response.set_header', 'x-a', 'a\u0000b\tc\u001fd\u007fe']],
  },
  {
    name: 'a line end in a header of an exit',
    calls: [['kong.response.exit', 200, Buffer.from('x'), { 'x-a': 'one\r\nx-evil: 1' }]],
  },
  { name: 'a header name with a space', calls: [['kong.response.set_header', 'x a', '1']] },
  { name: 'a header name with a line end', calls: [['kong.response.set_header', 'x\r\na', '1']] },
  { name: 'a header name with a colon', calls: [['kong.response.set_header', 'x:a', '1']] },
  {
    name: 'a header name for the upstream with a line end',
    calls: [['kong.service.request.set_header', 'x\r\na', '1']],
  },
  {
    name: 'an argument without a value',
    target: '/x?flag&empty=',
    calls: [['kong.request.get_query_arg', 'flag']],
  },
  {
    name: 'an argument with an empty value',
    target: '/x?flag&empty=',
    calls: [['kong.request.get_query_arg', 'empty']],
  },
  {
    name: 'an argument that is not there',
    target: '/x?flag',
    calls: [['kong.request.get_query_arg', 'none']],
  },
  { name: 'all arguments', target: '/x?flag&empty=&a=1&a', calls: [['kong.request.get_query', 100]] },
]

export const EFFECT_CASES: readonly EffectCase[] = [
  ...toUpstream,
  ...toClient,
  ...exits,
  ...refused,
  ...read,
  ...inResponse,
  ...hostile,
]
