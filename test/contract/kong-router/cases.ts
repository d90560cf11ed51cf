/** Routes of the flavor `expressions`, and requests; `answers.json` says which route a real Kong 3.9.3 took. */

export interface ExpressionCase {
  readonly name: string
  /** In the order of their names `a`, `b`, …; a number behind the expression is its priority. */
  readonly routes: readonly (string | readonly [expression: string, priority: number])[]
  readonly requests: readonly ExpressionRequest[]
}

export interface ExpressionRequest {
  readonly target: string
  readonly method?: string
  readonly host?: string
  /** Names and values by turns, so that one may come twice. */
  readonly headers?: readonly string[]
}

const paths = (...targets: readonly string[]) => targets.map(target => ({ target }))

export const EXPRESSION_CASES: readonly ExpressionCase[] = [
  {
    name: 'an exact path',
    routes: ['http.path == "/a"'],
    requests: paths('/a', '/a/', '/a?x=1', '/A', '/%61', '/b/../a'),
  },
  { name: 'another path', routes: ['http.path != "/a"'], requests: paths('/a', '/b') },
  { name: 'a prefix', routes: ['http.path ^= "/a"'], requests: paths('/a', '/ab/c', '/b/a') },
  { name: 'a suffix', routes: ['http.path =^ ".json"'], requests: paths('/x.json', '/x.jsonp') },
  { name: 'a part', routes: ['http.path contains "mid"'], requests: paths('/a/mid/b', '/m/id') },
  { name: 'a pattern, found anywhere', routes: ['http.path ~ "b[0-9]"'], requests: paths('/a/b1', '/b') },
  {
    name: 'a pattern with captures',
    routes: [String.raw`http.path ~ r#"^/v(?<ver>\d+)/(\w+)$"#`],
    requests: paths('/v1/x', '/v/x'),
  },
  { name: 'a pattern without case', routes: ['http.path ~ "(?i)/ABC"'], requests: paths('/abc', '/x/aBc') },
  { name: 'lower case', routes: ['lower(http.path) == "/abc"'], requests: paths('/ABC', '/abd') },
  { name: 'text beyond ASCII', routes: ['http.path == "/café"'], requests: paths('/caf%C3%A9', '/cafe') },
  {
    name: 'a method',
    routes: ['http.method == "POST"'],
    requests: [{ target: '/', method: 'POST' }, { target: '/' }],
  },
  {
    name: 'a host, its port aside',
    routes: ['http.host == "h.example"', 'http.host =^ ".b.example"'],
    requests: [
      { target: '/', host: 'h.example' },
      { target: '/', host: 'h.example:99' },
      { target: '/', host: 'H.example' },
      { target: '/', host: 'a.b.example' },
    ],
  },
  {
    name: 'a header',
    routes: ['http.headers.x_one == "1"'],
    requests: [
      { target: '/', headers: ['X-One', '1'] },
      { target: '/', headers: ['X-One', '2'] },
      { target: '/', headers: ['X-One', '1', 'X-One', '2'] },
      { target: '/', headers: ['X-One', '1', 'X-One', '1'] },
      { target: '/' },
    ],
  },
  {
    name: 'any value of a header',
    routes: ['any(http.headers.x_one) == "1"'],
    requests: [{ target: '/', headers: ['X-One', '2', 'X-One', '1'] }, { target: '/' }],
  },
  {
    name: 'any value of a header in lower case',
    routes: ['any(lower(http.headers.x_one)) == "a"', 'lower(any(http.headers.x_one)) == "b"'],
    requests: [
      { target: '/', headers: ['X-One', 'A', 'X-One', 'C'] },
      { target: '/', headers: ['X-One', 'C', 'X-One', 'B'] },
    ],
  },
  {
    name: 'what a header is not',
    routes: ['http.headers.x_one != "1"'],
    requests: [
      { target: '/', headers: ['X-One', '2'] },
      { target: '/', headers: ['X-One', '2', 'X-One', '1'] },
      { target: '/' },
    ],
  },
  {
    name: 'an argument',
    routes: ['http.queries.q == "1"', 'http.queries.flag == ""', 'any(http.queries.q) == "2"'],
    requests: paths('/?q=1', '/?q=1&q=2', '/?flag', '/?flag=', '/?q=%31', '/?flag=1'),
  },
  {
    name: 'segments of the path',
    routes: [
      'http.path.segments.0 == "a" && http.path.segments.len == 2',
      'http.path.segments.1_2 == "y/z"',
      'http.path.segments.len > 3',
    ],
    requests: paths('/a/b', '/a', '/x/y/z', '/x/y/z/w', '/q/r/s/t', '/a/b/'),
  },
  {
    name: 'addresses',
    routes: [
      ['net.src.ip == 10.0.0.1', 9],
      ['net.src.ip in 127.0.0.0/8 && http.path == "/in"', 8],
      ['net.src.ip not in 10.0.0.0/8 && net.dst.ip == 127.0.0.1 && http.path == "/not"', 7],
      ['net.protocol == "https"', 6],
      ['net.src.ip not in 127.0.0.1/32', 5],
    ],
    requests: paths('/', '/in', '/not'),
  },
  // Kong remembers routes without the port of the Host header, so that only the first request tells.
  ...['x:99', 'x:100', 'x:199', 'x:200', 'x:201'].map(host => ({
    name: `numbers: ${host}`,
    routes: [
      ['net.dst.port >= 0x64 && net.dst.port < 0310', 9],
      ['net.dst.port <= 99', 8],
      ['net.dst.port != 200', 7],
      ['net.dst.port > -1', 6],
    ] as const,
    requests: [{ target: '/', host }],
  })),
  {
    name: 'or, which binds tighter than and',
    routes: ['http.path == "/a" || http.path == "/b" && http.method == "POST"'],
    requests: [
      { target: '/a' },
      { target: '/a', method: 'POST' },
      { target: '/b' },
      { target: '/b', method: 'POST' },
    ],
  },
  {
    name: 'parentheses',
    routes: ['http.path == "/a" || (http.path == "/b" && http.method == "POST")'],
    requests: [{ target: '/a' }, { target: '/b' }, { target: '/b', method: 'POST' }],
  },
  {
    name: 'not',
    routes: ['!(http.path ^= "/a") && !(http.headers.x_one == "1")'],
    requests: [{ target: '/a' }, { target: '/b' }, { target: '/b', headers: ['x-one', '1'] }],
  },
  {
    name: 'the highest priority',
    routes: [
      ['http.path ^= "/"', 1],
      ['http.path ^= "/p"', 3],
      ['http.path == "/p/q"', 2],
    ],
    requests: paths('/p/q', '/x'),
  },
  {
    name: 'what is stripped',
    routes: [
      'http.path ^= "/strip/"',
      'http.path == "/whole"',
      'http.path ~ "/rx[0-9]"',
      'http.method == "PUT"',
    ],
    requests: [
      ...paths('/strip/rest', '/whole', '/rx1/rest', '/in/rx2/x'),
      { target: '/keep/all', method: 'PUT' },
    ],
  },
  {
    name: 'a prefix of a branch that did not hold',
    routes: ['(http.path ^= "/br" && http.method == "PUT") || http.method == "GET"'],
    requests: paths('/br/anch'),
  },
  {
    name: 'escapes in text',
    routes: [String.raw`http.headers.x_one == "a\"b\\c"`, String.raw`http.headers.x_one == r#"d\n"#`],
    requests: [
      { target: '/', headers: ['x-one', 'a"b\\c'] },
      { target: '/', headers: ['x-one', 'd\\n'] },
    ],
  },
]

/** Expressions that Kong refuses. */
export const REFUSED_EXPRESSIONS: readonly string[] = [
  'http.path',
  'http.path = "/a"',
  'http.path == /a',
  'http.pth == "/a"',
  'http.path == 1',
  'net.dst.port == "1"',
  'net.dst.port ~ "1"',
  'http.path > 1',
  'http.path in 10.0.0.0/8',
  'net.src.ip in 10.0.0.1',
  'net.dst.port contains 1',
  'upper(http.path) == "/A"',
  'lower(net.dst.port) == 1',
  'http.path ~ "("',
  '(http.path == "/a"',
  'http.path == "/a" &&',
  '!http.path == "/a"',
  '',
]

export const expressionConfiguration = (routes: ExpressionCase['routes'], upstreamPort: number) => ({
  _format_version: '3.0',
  services: [
    {
      ...{ name: 's', host: '127.0.0.1', port: upstreamPort },
      routes: routes.map((route, i) => {
        const [expression, priority] = typeof route === 'string' ? [route, 0] : route
        return { name: String.fromCharCode(97 + i), expression, priority }
      }),
    },
  ],
})
