/**
 * Requests as bytes, for what no client library would send too. Left out, since the gateway differs from Kong on
 * purpose: raw bytes above 0x7f in a path, methods that Node.js does not know, HTTP/0.9 and HTTP/1.2, and two
 * `Transfer-Encoding` forms, all of which its stricter parser refuses with 400; early hints, which Kong's nginx hangs
 * on; an empty type for gRPC.
 */
const CRLF = '\r\n'

function ask(line: string, headers: readonly string[] = [], body = ''): string {
  const lines = [`${line} HTTP/1.1`, 'Host: a.example', ...headers]
  return `${lines.join(CRLF)}${CRLF}${CRLF}${body}`
}

const bare = (...lines: string[]) => `${lines.join(CRLF)}${CRLF}${CRLF}`

const post = (path: string, type: string, body: string) =>
  ask(`POST ${path}`, [`Content-Type: ${type}`, `Content-Length: ${Buffer.byteLength(body)}`], body)

const basic = (pair: string) => `Authorization: Basic ${Buffer.from(pair).toString('base64')}`
const many = (count: number, value: string) => Array.from({ length: count }, (_, i) => `X-${i}: ${value}`)

const TARGETS = {
  'a path': ask('GET /r'),
  'an empty query': ask('GET /r?'),
  'a query': ask('GET /r?a=1&b'),
  'a slash behind the prefix': ask('GET /r/'),
  'dot segments': ask('GET /r/../r/x'),
  'an escape that is not UTF-8': ask('GET /r/%41%2f%20%e9?x=%20'),
  'escaped UTF-8': ask('GET /r/%41%2f%20%c3%a9?x=%20'),
  'a broken escape': ask('GET /r/%zz'),
  'a broken escape in the query': ask('GET /r?x=%zz'),
  'an escaped zero': ask('GET /r/%00'),
  'a fragment': ask('GET /r/a#b'),
  'an absolute target': ask('GET http://a.example/r/abs'),
  'an absolute target of another host': ask('GET http://other.example:99/r/abs'),
  'an asterisk': ask('OPTIONS *'),
  CONNECT: ask('CONNECT a.example:80'),
  TRACE: ask('TRACE /r'),
  PURGE: ask('PURGE /r'),
  'a target below 8 KB': ask(`GET /r/${'u'.repeat(8_100)}`),
  'a target above 8 KB': ask(`GET /r/${'u'.repeat(8_300)}`),
}

const VERSIONS = {
  'HTTP/1.0': bare('GET /r HTTP/1.0', 'Host: a.example'),
  'HTTP/1.0 without a host': bare('GET /r HTTP/1.0'),
  'HTTP/1.0 to be kept alive': bare('GET /r HTTP/1.0', 'Host: a', 'Connection: keep-alive'),
  'HTTP/2.0 in a request line': bare('GET /r HTTP/2.0', 'Host: a'),
}

const HOSTS = {
  'a preserved host': bare('GET /ph HTTP/1.1', 'Host: A.Example:123'),
  'a host with a dot at its end': bare('GET /ph HTTP/1.1', 'Host: a.example.'),
  'an IPv6 host': bare('GET /ph HTTP/1.1', 'Host: [::1]:80'),
  'an empty host': bare('GET /r HTTP/1.1', 'Host: '),
  'no host': bare('GET /r HTTP/1.1'),
  'two hosts': bare('GET /r HTTP/1.1', 'Host: a', 'Host: b'),
  'a host with a slash': bare('GET /r HTTP/1.1', 'Host: a/b'),
  'a host in capitals': bare('GET /r HTTP/1.1', 'Host: ABC.Example:77'),
  'the port of the route, not sent': bare('GET /hp HTTP/1.1', 'Host: hp.example'),
  'the port of the route, sent': bare('GET /hp HTTP/1.1', 'Host: hp.example:{{proxy}}'),
  'another port than the route has': bare('GET /hp HTTP/1.1', 'Host: hp.example:1'),
}

const ROUTES = {
  'captures in a regular expression': ask('GET /x/abc/12/rest?z=1'),
  'a regular expression that does not match': ask('GET /x/abc/'),
  'a regular expression without case': ask('GET /CASE/foo'),
  'a header that matches': ask('GET /hdrrx', ['X-V: V12']),
  'a header that does not match': ask('GET /hdrrx', ['X-V: x']),
  'one header of two that matches': ask('GET /hdrrx', ['X-V: x', 'X-V: v1']),
  'gRPC without gRPC': ask('GET /grpcr/x'),
  'path handling v1': ask('GET /v1phfoo'),
  'path handling v1 with a slash': ask('GET /v1ph/'),
  'a service path with a slash': ask('GET /b'),
  'a service path with a slash, slash asked': ask('GET /b/'),
  'a service path with a slash, more asked': ask('GET /bx'),
  'a route path with a slash': ask('GET /b1/foo'),
  'a route path with a slash, no more asked': ask('GET /b1/'),
  'a path that is kept': ask('GET /bk/z'),
  'dots behind the prefix': ask('GET /b../z'),
  'a dot behind the prefix': ask('GET /b./z'),
  'a pool': ask('GET /pooled'),
  'a service that is switched off': ask('GET /off'),
}

const ERRORS = {
  'nobody upstream': ask('GET /dead'),
  'nobody upstream, JSON wanted': ask('GET /dead', ['Accept: application/json']),
  'nobody upstream, XML wanted': ask('GET /dead', ['Accept: text/html;q=0.5, application/xml;q=0.9']),
  'nobody upstream, JSON sent': post('/dead', 'application/json', '{}'),
  'a name without an address': ask('GET /noname'),
  'any text wanted': ask('GET /none', ['Accept: text/*']),
  'an image wanted': ask('GET /none', ['Accept: image/png']),
  'HTML wanted most': ask('GET /none', ['Accept: text/html, */*;q=0.1']),
  'text wanted more than JSON': ask('GET /none', ['Accept: text/plain;q=0.2,application/json;q=0.1']),
  'HEAD of nothing': ask('HEAD /none'),
}

const RESPONSES = {
  '204': ask('GET /r?st=204'),
  '304': ask('GET /r?st=304'),
  '500': ask('GET /r?st=500'),
  '302': ask('GET /r?st=302'),
  'a length': ask('GET /r?len=1'),
  'HEAD with a length': ask('HEAD /r?len=1'),
  HEAD: ask('HEAD /r'),
  'headers that come twice': ask('GET /r?dup=1'),
  'headers of the connection': ask('GET /r?hop=1'),
  'headers that Kong writes too': ask('GET /r?via=1', ['Via: 1.0 x']),
  'HTML without a charset': ask('GET /r?ct=text/html'),
  'HTML with a charset': ask('GET /r?ct=text/html;charset=latin1'),
  CSS: ask('GET /r?ct=text/css'),
  'text in capitals': ask('GET /r?ct=TEXT/PLAIN'),
  'XML that is compressed': ask('GET /r?ct=text/xml&enc=1'),
}

const HEADERS = {
  'a connection to be closed': ask('GET /r', ['Connection: close']),
  'headers in capitals': ask('GET /r', ['HOST2: x', 'X-MiXed: Y']),
  'X-Forwarded headers of a stranger': ask('GET /r', [
    'X-Forwarded-For: 9.9.9.9',
    'X-Forwarded-For: 8.8.8.8',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: h',
    'X-Forwarded-Port: 1',
    'X-Forwarded-Path: /p',
    'X-Forwarded-Prefix: /f',
    'Forwarded: for=1',
    'X-Real-IP: 7',
    'X-Kong-Request-Id: mine',
  ]),
  'headers of the client’s connection': ask('GET /r', [
    'Connection: x-a, close',
    'X-A: 1',
    'TE: gzip, trailers',
    'Proxy-Connection: x',
    'Proxy: y',
    'Keep-Alive: 3',
    'Upgrade: h2c',
    'Trailer: x',
  ]),
  'TE without trailers': ask('GET /r', ['TE: gzip']),
  'underscores in a name': ask('GET /r', ['X_Under: 1', 'X-Under: 2']),
  'headers twice': ask('GET /r', [
    'X-D: 1',
    'X-D: 2',
    'Cookie: a=1',
    'Cookie: b=2',
    'Accept: a',
    'Accept: b',
  ]),
  'an empty header': ask('GET /r', ['X-E:']),
  'a header below 8 KB': ask('GET /r', [`X-L: ${'a'.repeat(8_000)}`]),
  'a header above 8 KB': ask('GET /r', [`X-L: ${'a'.repeat(8_300)}`]),
  'headers below 32 KB': ask('GET /r', many(30, 'a'.repeat(1_000))),
  'headers above 32 KB': ask('GET /r', many(40, 'a'.repeat(1_000))),
  '120 headers': ask('GET /r', many(120, 'a')),
}

const BODIES = {
  'a body': post('/r', 'text/plain', 'hello'),
  chunks: ask('POST /r', ['Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'),
  'chunks with extensions and trailers': ask(
    'POST /r',
    ['Transfer-Encoding: Chunked'],
    '5;x=y\r\nhello\r\n0\r\nX-T: 1\r\n\r\n',
  ),
  'a length of 0': ask('POST /r', ['Content-Length: 0']),
  'a body of a GET': ask('GET /r', ['Content-Length: 2'], 'hi'),
  'an expectation that nobody knows': ask('POST /r', ['Content-Length: 2', 'Expect: foo'], 'hi'),
  'a length with a sign': ask('POST /r', ['Content-Length: +2'], 'hi'),
  'a coding that is not chunks': ask('POST /r', ['Transfer-Encoding: gzip, chunked'], '0\r\n\r\n'),
}

const KEY_AUTH = {
  'no key, with a realm': ask('GET /ka'),
  'a key to hide in the query': ask('GET /ka?apikey=ek&z=1'),
  'nothing but a key to hide in the query': ask('GET /ka?apikey=ek'),
  'an escaped key': ask('GET /ka?apikey=%65k'),
  'two keys': ask('GET /ka', ['apikey: ek', 'APIKEY: ek']),
  'a key without a value': ask('GET /ka?apikey'),
  'a key in JSON': post('/ka', 'application/json', '{"apikey":"ek","x":[1,{"y":2}]}'),
  'a key in JSON that is a number': post('/ka', 'application/json', '{"apikey":1}'),
  'broken JSON': post('/ka', 'application/json', '[1'),
  'a key in a form': post('/ka', 'application/x-www-form-urlencoded', 'apikey=ek&b=2&a=1&a=0'),
  'a key in a multipart form': post(
    '/ka',
    'multipart/form-data; boundary=B',
    '--B\r\nContent-Disposition: form-data; name="apikey"\r\n\r\nek\r\n--B--\r\n',
  ),
  'a key in the query of a POST': post('/ka?apikey=ek', 'text/plain', 'zz'),
  preflight: ask('OPTIONS /kp'),
  'a name with an underscore': ask('GET /kp', ['X_Key: ek']),
  'a name with a dash for an underscore': ask('GET /kp', ['X-Key: ek']),
  'a name with an underscore in the query': ask('GET /kp?X_Key=ek'),
  'another case in the query': ask('GET /kp?x_key=ek'),
}

const OTHER_PLUGINS = {
  'an anonymous consumer': ask('GET /ba'),
  'a password with a colon': ask('GET /ba', [basic('eddie:pa:ss')]),
  'a wrong password, anonymous': ask('GET /ba', [basic('eddie:x')]),
  'one of two ways: a key': ask('GET /both', ['apikey: ek']),
  'one of two ways: a password': ask('GET /both', [basic('eddie:pa:ss')]),
  'neither of two ways': ask('GET /both'),
  'a group that is denied': ask('GET /deny', ['apikey: ek']),
  'a group that is allowed, hidden': ask('GET /allow', ['apikey: ek']),
  'groups of nobody': ask('GET /aclonly'),
  'terminated with 204': ask('GET /term204'),
  'terminated with text': ask('GET /termtxt'),
  'terminated with 410 and nothing': ask('GET /term410'),
  'terminated with 413 and nothing': ask('GET /term413'),
  'terminated with 418 and nothing': ask('GET /term418'),
  'an id of the client’s': ask('GET /corr', ['X-Corr: abc']),
  'an id of the client’s, terminated': ask('GET /corr', ['X-Stop: 1', 'X-Corr: q']),
}

export const CASES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'targets of requests': TARGETS,
  versions: VERSIONS,
  hosts: HOSTS,
  routes: ROUTES,
  errors: ERRORS,
  responses: RESPONSES,
  headers: HEADERS,
  bodies: BODIES,
  'key-auth': KEY_AUTH,
  'other plugins': OTHER_PLUGINS,
}
