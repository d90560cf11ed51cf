import assert from 'node:assert/strict'
import { gzipSync } from 'node:zlib'
import { type RunningAdmin, startAdminServer } from '../support/admin-server.ts'
import { type RunningManager, startFilledManager, wholeEnvironment } from '../support/manager.ts'
import { connectRaw } from '../support/raw-http.ts'
import { START_MS } from '../support/services.ts'

interface Operation {
  readonly method: string
  /** With a value in the place of each parameter. */
  readonly path: string
}

const nested = (depth: number, open: string, close: string) => open.repeat(depth) + close.repeat(depth)
const json = { 'content-type': 'application/json' }

/** A body, with headers, and the statuses that are right for any operation that takes one; all others are wrong. */
const BODIES: readonly (readonly [
  what: string,
  body: string | Uint8Array,
  headers?: Record<string, string>,
])[] = [
  ['null', 'null'],
  ['a number', '1'],
  ['a text', '"x"'],
  ['a list', '[]'],
  ['an empty object', '{}'],
  ['a field twice', '{"name":"a","name":[]}'],
  ['__proto__', '{"__proto__":{"access":"admin"},"name":"x"}'],
  ['a constructor', '{"constructor":{"prototype":{"access":"admin"}}}'],
  [
    'wrong types',
    '{"name":{},"host":[],"operations":{},"reason":1,"consumer":[],"kind":{},"tags":{"a":1},"config":"x"}',
  ],
  ['a number beyond doubles', '{"port":1e999,"name":"x"}'],
  ['a number of 400 digits', `{"port":${'9'.repeat(400)}}`],
  ['fractions', '{"seconds":1.5,"retries":-0.1,"requests":1e-300}'],
  ['deep objects', nested(50_000, '{"a":', '1').replace(/1+/, '1').concat('}'.repeat(50_000))],
  ['deep lists', `{"tags":${nested(100_000, '[', ']')}}`],
  ['NUL and half of a pair', '{"name":"a\\u0000b","host":"\\ud800","reason":"\\u0000","consumer":"\\udfff"}'],
  ['broken UTF-8', Buffer.from([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d])],
  [
    'another charset',
    Buffer.from('\ufeff{"name":"x"}', 'utf16le'),
    { 'content-type': 'application/json; charset=utf-16' },
  ],
  ['a compressed body', gzipSync('{"name":"x"}'), { ...json, 'content-encoding': 'gzip' }],
  ['nothing', ''],
  ['half a body', '{"name":'],
  ['a form', 'name=x', { 'content-type': 'application/x-www-form-urlencoded' }],
  ['YAML with an alias bomb', yamlBomb(), { 'content-type': 'application/yaml' }],
  ['deep YAML', nested(20_000, '[', ']'), { 'content-type': 'application/yaml' }],
  ['NUL in YAML', 'consumers: [{username: "a\\0b"}]', { 'content-type': 'application/yaml' }],
  ['no content type', '{}', { 'content-type': '' }],
]

function yamlBomb(): string {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]']
  for (let i = 1; i < 12; i++)
    lines.push(
      `a${i}: &a${i} [${Array(9)
        .fill(`*a${i - 1}`)
        .join(', ')}]`,
    )
  return lines.join('\n')
}

/** What stands in the place of a parameter. */
const KEYS = [
  '%00',
  '%2e%2e%2f',
  '%C3%28',
  '%ZZ',
  '__proto__',
  'constructor',
  'x'.repeat(600),
  '%F0%9F%92%A5',
  '%27%20or%201=1',
  '-1',
]
const QUERIES = [
  'a[b]=1',
  'size=1e9',
  'size=-1',
  'size=1&size=2',
  '%',
  '__proto__=1',
  'cursor=%00',
  'q=%00',
  'tags=%ud800',
  'limit=9'.repeat(500),
]
const METHODS = ['HEAD', 'OPTIONS', 'TRACE', 'PROPFIND', 'DELETE', 'PATCH']

describe('whatever is sent to the manager', function () {
  this.timeout(240_000)
  let kong: RunningAdmin
  let manager: RunningManager
  let operations: readonly Operation[]

  before(async function () {
    this.timeout(START_MS)
    kong = await startAdminServer()
    manager = await startFilledManager(await wholeEnvironment(kong.url))
    operations = operationsIn((await manager.call('GET', '/v1/openapi.json')).body)
  })
  after(async () => {
    await manager?.close()
    await kong?.close()
  })

  /** Sends bytes as they are. @returns what is wrong with the answer; undefined where nothing is. */
  async function wrongWith(
    method: string,
    path: string,
    body: string | Uint8Array = '',
    headers: Record<string, string> = {},
  ): Promise<string | undefined> {
    const bytes = Buffer.from(body as string)
    const lines = {
      host: 'manager',
      authorization: `Bearer ${manager.tokens.admin}`,
      connection: 'close',
      ...(bytes.length > 0 && { 'content-length': String(bytes.length) }),
      ...headers,
    }
    const head = Object.entries(lines).flatMap(([name, value]) =>
      value === '' ? [] : [`${name}: ${value}\r\n`],
    )
    const connection = await connectRaw(Number(new URL(manager.url).port))
    connection.write(`${method} ${path} HTTP/1.1\r\n${head.join('')}\r\n`)
    if (bytes.length > 0) connection.write(bytes)
    const answer = await connection.closed
    const status = Number(answer.slice(9, 12))
    const isProblem = /\r\ncontent-type: application\/problem\+json\r\n/i.test(answer)
    const isRight = status >= 200 && (status < 400 || (status < 500 && (isProblem || method === 'HEAD')))
    return isRight ? undefined : `${method} ${path.slice(0, 100)}: ${answer.slice(0, 400)}`
  }

  it('in a body is answered by a problem or done, and never a failure of the manager', async () => {
    const writing = operations.filter(
      ({ method, path }) => ['POST', 'PUT', 'PATCH'].includes(method) && isMeant(path),
    )
    assert.ok(writing.length > 40, String(writing.length))
    const found: string[] = []
    for (const [what, body, headers = json] of BODIES)
      for (const { method, path } of oneOfAKind(writing)) {
        const wrong = await wrongWith(method, path, body, headers)
        if (wrong !== undefined) found.push(`${what}: ${wrong}`)
      }
    assert.deepEqual(found, [])
  })

  it('in a path, a query or as a method is answered, too', async () => {
    const found: (string | undefined)[] = []
    for (const { path } of oneOfAKind(
      operations.filter(({ method, path: at }) => method === 'GET' && isMeant(at)),
    )) {
      for (const key of KEYS)
        if (path.includes('x-1')) found.push(await wrongWith('GET', path.replace('x-1', key)))
      for (const query of QUERIES) found.push(await wrongWith('GET', `${path}?${query}`))
      for (const method of METHODS) found.push(await wrongWith(method, path))
      found.push(
        await wrongWith('GET', path, '', { accept: 'image/png;q=0, x', 'accept-encoding': 'gzip;q=x' }),
      )
      found.push(await wrongWith('GET', path, '{"a":1}', json))
    }
    assert.deepEqual(
      found.filter(one => one !== undefined),
      [],
    )
  })

  it('that is no HTTP is answered by a problem and a closed connection', async () => {
    const requests = [
      'nonsense\r\n\r\n',
      'GET /v1/services HTTP/9.9\r\n\r\n',
      `GET /v1/services HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`,
      'POST /v1/services HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      'POST /v1/services HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n',
      'GET /v1/services HTTP/1.1\r\nhost: x\r\nbad name: x\r\n\r\n',
    ]
    for (const request of requests) {
      const connection = await connectRaw(Number(new URL(manager.url).port))
      connection.write(request)
      const answer = await connection.closed
      assert.match(
        answer,
        /^HTTP\/1\.1 4\d\d .*application\/problem\+json.*SLUICE_MANAGER_/s,
        request.slice(0, 80),
      )
    }
  })

  it('in one go is answered in its order, and a body that never ends by nothing', async () => {
    const token = `authorization: Bearer ${manager.tokens.admin}\r\n`
    const connection = await connectRaw(Number(new URL(manager.url).port))
    const slow = await connectRaw(Number(new URL(manager.url).port))
    slow.write(
      `POST /v1/services HTTP/1.1\r\nhost: x\r\n${token}content-type: application/json\r\ncontent-length: 100\r\n\r\n{"na`,
    )
    const get = (path: string, last = '') => `GET ${path} HTTP/1.1\r\nhost: x\r\n${token}${last}\r\n`
    connection.write(get('/v1/me') + get('/v1/services/none') + get('/healthz', 'connection: close\r\n'))
    const answers = (await connection.closed).match(/HTTP\/1\.1 \d+/g)
    assert.deepEqual(answers, ['HTTP/1.1 200', 'HTTP/1.1 404', 'HTTP/1.1 200'])
    assert.equal(slow.received, '')
    slow.destroy()
    assert.equal((await manager.call('GET', '/v1/services')).status, 200)
    assert.deepEqual(kong.state.list('services'), [])
  })
})

/** Streams do not end, and of sessions, operators and tokens others have tests. */
const isMeant = (path: string) =>
  !/^\/v1\/(events|session|sessions|operators|tokens)(\/|$)|^\/(metrics|readyz)/.test(path)

/** All kinds of entities have the same code. */
const oneOfAKind = (all: readonly Operation[]) =>
  all.filter(
    ({ path }) =>
      !/^\/v1\/(consumers|snis|keys|key-sets|vaults|jwts|acls|oauth2|hmac-auths|basic-auths|filter-chains|ca_certificates|upstreams|routes)(\/|$)/.test(
        path,
      ),
  )

function operationsIn({ paths }: Record<string, unknown>): readonly Operation[] {
  return Object.entries(paths as Record<string, Record<string, unknown>>).flatMap(([path, methods]) =>
    Object.keys(methods).map(method => ({
      method: method.toUpperCase(),
      path: path.replace(/\{(kind)\}/g, 'services').replace(/\{\w+\}/g, 'x-1'),
    })),
  )
}
