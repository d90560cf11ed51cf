/** Requests over TLS and HTTP/2, what a plugin then learns, and what reaches the upstream and the client. */
import { once } from 'node:events'
import { connect as connectHttp2, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2'
import { request as httpsRequest } from 'node:https'
import type { Readable } from 'node:stream'
import type { EffectUpstream } from '../../support/effects.ts'
import type { PuppetCall, PuppetServer } from '../../support/puppet-server.ts'
import { until } from '../../support/until.ts'

export interface TlsCase {
  readonly name: string
  readonly http2?: boolean
  readonly tls?: 'TLSv1.2' | 'TLSv1.3'
  readonly serverName?: string
  readonly method?: string
  readonly path?: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string
  /** What the plugin calls besides the questions that each case asks. */
  readonly calls?: readonly PuppetCall[]
}

const exit = (headers: Readonly<Record<string, string>>): readonly PuppetCall[] => [
  ['kong.response.exit', 200, Buffer.from('instead'), headers],
]

/** Longer than one of nginx's buffers. */
const LONG = 'x'.repeat(9_000)

export const TLS_CASES: readonly TlsCase[] = [
  { name: 'TLS 1.3', tls: 'TLSv1.3' },
  { name: 'TLS 1.2 and the name of a server', tls: 'TLSv1.2', serverName: 'a.test' },
  {
    name: 'what an HTTP/1.1 client says of the way',
    headers: { 'x-forwarded-proto': 'http', forwarded: 'x' },
  },
  { name: 'HTTP/2', http2: true },
  { name: 'HTTP/2 and the name of a server', http2: true, serverName: 'a.test' },
  { name: 'HTTP/2 and another authority', http2: true, headers: { ':authority': 'b.test:1234' } },
  { name: 'a path out of the root', path: '/../puppet/x' },
  { name: 'a path out of the root over HTTP/2', http2: true, path: '/../puppet/x' },
  { name: 'a broken escape', path: '/puppet/%zz' },
  { name: 'a broken escape over HTTP/2', http2: true, path: '/puppet/%zz' },
  { name: 'a path that is too long', path: `/puppet/${LONG}` },
  { name: 'a path that is too long over HTTP/2', http2: true, path: `/puppet/${LONG}` },
  { name: 'a header that is too long', headers: { 'x-a': LONG } },
  { name: 'a header that is too long over HTTP/2', http2: true, headers: { 'x-a': LONG } },
  { name: 'HEAD over HTTP/2', http2: true, method: 'HEAD' },
  {
    name: 'a body with its length over HTTP/2',
    http2: true,
    method: 'POST',
    body: 'text',
    headers: { 'content-length': 4 },
  },
  { name: 'a body without its length over HTTP/2', http2: true, method: 'POST', body: 'text' },
  { name: 'a method without a body over HTTP/2', http2: true, method: 'POST' },
  { name: 'cookies over HTTP/2', http2: true, headers: { cookie: ['a=1', 'b=2'] } },
  {
    name: 'a field several times over HTTP/2',
    http2: true,
    headers: { 'x-a': ['1', '2'], accept: ['a/b', 'c/d'] },
  },
  { name: 'trailers wanted over HTTP/2', http2: true, headers: { te: 'trailers' } },
  { name: 'a query over HTTP/2', http2: true, path: '/puppet/x?flag&a=%20b' },
  { name: 'an exit over HTTP/2', http2: true, calls: exit({ 'X-Up': 'A' }) },
  { name: 'no route over HTTP/2', http2: true, path: '/none' },
]

const QUESTIONS: readonly PuppetCall[] = [
  ['kong.client.get_protocol'],
  ['kong.client.get_protocol', true],
  ['kong.request.get_scheme'],
  ['kong.request.get_host'],
  ['kong.request.get_port'],
  ['kong.request.get_forwarded_scheme'],
  ['kong.request.get_forwarded_host'],
  ['kong.request.get_forwarded_port'],
  ['kong.request.get_http_version'],
  ['kong.request.get_headers', 100],
  ...[
    'ssl_protocol',
    'ssl_server_name',
    'server_protocol',
    'http2',
    'https',
    'request',
    'host',
    'http_host',
  ].map((name): PuppetCall => ['kong.nginx.get_var', name]),
]

export interface TlsAnswer {
  readonly name: string
  readonly response: unknown
  /** Null: the upstream was not asked. */
  readonly upstream: unknown
  /** To the questions, in their order; none where no plugin ran. */
  readonly replies: readonly unknown[]
  /** The request in the entry of the log. */
  readonly logged: unknown
}

export interface TlsSetting {
  readonly port: number
  readonly puppet: PuppetServer
  readonly upstream: EffectUpstream
}

export async function runTlsCase(one: TlsCase, { port, puppet, upstream }: TlsSetting): Promise<TlsAnswer> {
  puppet.byPhase = { access: [...QUESTIONS, ...(one.calls ?? [])], log: [['kong.log.serialize']] }
  upstream.last = null
  const eventsBefore = puppet.events.length
  const response = await (one.http2 ? askHttp2(one, port) : askHttp1(one, port))
  const seen = () => puppet.events.slice(eventsBefore)
  await until('the log phase ends', () => seen().includes('log') && puppet.repliesByPhase.log?.length === 1)
  const entry = JSON.parse(String(puppet.repliesByPhase.log?.[0])) as { request: Record<string, unknown> }
  const { tls, method, uri, url, headers, querystring } = entry.request
  const replies = seen().includes('access') ? (puppet.repliesByPhase.access ?? []) : []
  const logged = { tls, method, uri, url, headers, querystring }
  return withoutAccident(
    { name: one.name, response, upstream: upstream.last, replies, logged },
    port,
    upstream,
  )
}

/** Ports, ids, times, versions and the cipher that was agreed on become their kinds. */
function withoutAccident(answer: TlsAnswer, port: number, upstream: EffectUpstream): TlsAnswer {
  const json = JSON.stringify(answer)
    .replaceAll(LONG, '<long>')
    .replaceAll(`:${upstream.port}`, ':<upstream>')
    .replaceAll(`:${port}`, ':<proxy>')
    .replaceAll(`"${port}"`, '"<proxy>"')
    .replaceAll(`port: ${port}`, 'port: <proxy>')
    .replace(/[\da-f]{32}/g, '<request-id>')
    .replace(/"cipher":"[A-Z\d_-]+"/g, '"cipher":"<cipher>"')
    .replace(/(x-kong-[a-z]+-latency): \d+/g, '$1: <ms>')
    .replace(/date: [^"]+/g, 'date: <date>')
    .replace(/kong\/\d+\.\d+\.\d+/g, 'kong/<version>')
  return JSON.parse(json, (_, value: unknown) => (value === port ? '<proxy>' : value)) as TlsAnswer
}

const DEFAULT_PATH = '/puppet/x'

function askHttp1(one: TlsCase, port: number): Promise<unknown> {
  const { method = 'GET', path = DEFAULT_PATH, serverName: servername, tls, headers = {} } = one
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        ...{ host: '127.0.0.1', port, method, path, headers, agent: false },
        rejectUnauthorized: false,
        ...(servername !== undefined && { servername }),
        ...(tls && { minVersion: tls, maxVersion: tls }),
      },
      async response => {
        const body = await textOf(response)
        const lines: string[] = []
        const raw = response.rawHeaders
        for (let i = 0; i + 1 < raw.length; i += 2) lines.push(`${raw[i]?.toLowerCase()}: ${raw[i + 1]}`)
        resolve({ status: response.statusCode, headers: lines.sort(), body })
      },
    )
    request.on('error', reject)
    request.end(one.body)
  })
}

async function askHttp2(one: TlsCase, port: number): Promise<unknown> {
  const { serverName: servername, method = 'GET', path = DEFAULT_PATH, headers = {}, body } = one
  const session = connectHttp2(`https://127.0.0.1:${port}`, {
    rejectUnauthorized: false,
    ...(servername !== undefined && { servername }),
  })
  try {
    const asked = { ':method': method, ':path': path, ...headers }
    const stream = session.request(asked, { endStream: body === undefined })
    if (body !== undefined) stream.end(body)
    const [head] = (await once(stream, 'response')) as [IncomingHttpHeaders]
    const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}`)
    return { status: head[':status'], headers: lines.sort(), body: await textOf(stream) }
  } finally {
    session.destroy()
  }
}

async function textOf(stream: Readable): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += chunk
  return text
}

const DUMP = {
  Protocol: 'ProtoBuf:1',
  Plugins: [
    {
      ...{ Name: 'puppet', Version: '1.0.0', Priority: 10, Phases: ['access', 'log'] },
      Schema: { name: 'puppet', fields: [{ config: { type: 'record', fields: [] } }] },
    },
  ],
}

export const tlsSettings = (socket: string): Record<string, string> => ({
  KONG_DATABASE: 'off',
  KONG_PLUGINS: 'bundled,puppet',
  KONG_PLUGINSERVER_NAMES: 'puppet',
  KONG_PLUGINSERVER_PUPPET_SOCKET: socket,
  KONG_PLUGINSERVER_PUPPET_QUERY_CMD: `printf '%s' '${JSON.stringify(DUMP)}'`,
})

export const tlsConfiguration = (upstreamPort: number) => ({
  _format_version: '3.0',
  services: [
    {
      ...{ name: 'puppet', url: `http://127.0.0.1:${upstreamPort}/base`, retries: 0 },
      routes: [{ name: 'puppet', paths: ['/puppet'] }],
    },
  ],
  plugins: [{ name: 'puppet' }],
})
