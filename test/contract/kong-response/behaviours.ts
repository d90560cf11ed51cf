/** What buffering for the response phase does to answers: requests to routes with plugins that switch it on and off. */
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { PuppetServer } from '../../support/puppet-server.ts'

export interface BehaviourCase {
  readonly name: string
  /**
   * `buffered`: a plugin with a response phase. `switched-off`: one that comes before the plugin that switches
   * buffering off. `switched-on-again`: one that comes after it. `refused`: the upstream does not listen.
   */
  readonly route: 'buffered' | 'switched-off' | 'switched-on-again' | 'refused'
  /** How the upstream answers. */
  readonly upstream?: 'whole' | 'slow' | 'cut' | 'reset' | 'empty' | 'late'
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Instead of a header that tells that the phase ran. */
  readonly exits?: boolean
}

export const BEHAVIOURS: readonly BehaviourCase[] = [
  { name: 'a whole answer', route: 'buffered' },
  { name: 'an answer to HEAD', route: 'buffered', method: 'HEAD' },
  { name: 'an answer without a body', route: 'buffered', upstream: 'empty' },
  { name: 'a slow answer is held back', route: 'buffered', upstream: 'slow' },
  { name: 'an answer that breaks off', route: 'buffered', upstream: 'cut' },
  { name: 'a connection that is reset', route: 'buffered', upstream: 'reset' },
  { name: 'an upstream that is too late', route: 'buffered', upstream: 'late' },
  { name: 'an upstream that refuses', route: 'refused' },
  { name: 'an exit', route: 'buffered', exits: true },
  { name: 'the tag that the client has', route: 'buffered', headers: { 'if-none-match': '"up"' } },
  { name: 'another tag than the client has', route: 'buffered', headers: { 'if-none-match': '"other"' } },
  { name: 'the tag that the client wants', route: 'buffered', headers: { 'if-match': '"up"' } },
  { name: 'another tag than the client wants', route: 'buffered', headers: { 'if-match': '"other"' } },
  {
    name: 'a time that the answer does not name',
    route: 'buffered',
    headers: { 'if-unmodified-since': 'Sun, 01 Mar 2026 12:00:00 GMT' },
  },
  { name: 'buffering switched off by a later plugin', route: 'switched-off', upstream: 'slow' },
  { name: 'buffering switched on again', route: 'switched-on-again', upstream: 'slow' },
]

export interface Behaviour {
  readonly name: string
  /** A text where there was no answer. */
  readonly response: unknown
  /** The first byte of the body came before the last. */
  readonly streamed: boolean
  readonly events: readonly string[]
}

export interface BehaviourUpstream {
  readonly port: number
  close(): Promise<void>
}

export async function startBehaviourUpstream(): Promise<BehaviourUpstream> {
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => answer(request, response))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const how = new URL(request.url ?? '/', 'http://x').searchParams.get('how')
  if (how === 'reset') request.socket.destroy()
  if (how === 'reset' || how === 'late') return
  const body = 'first,second'
  response.writeHead(how === 'empty' ? 204 : 200, {
    etag: '"up"',
    'x-upstream': 'echo',
    ...(how !== 'empty' && { 'content-type': 'text/plain', 'content-length': body.length }),
  })
  if (how === 'empty' || request.method === 'HEAD') response.end()
  else if (how === 'slow' || how === 'cut') {
    response.write('first,')
    setTimeout(() => (how === 'slow' ? response.end('second') : response.destroy()), 300)
  } else response.end(body)
}

export async function runBehaviour(
  one: BehaviourCase,
  proxyUrl: string,
  puppet: PuppetServer,
): Promise<Behaviour> {
  puppet.byPhase = {
    access: [['kong.nginx.set_ctx', 'buffered_proxying', false]],
    response: one.exits
      ? [['kong.response.exit', 202, Buffer.from('instead'), { 'x-exit': '1' }]]
      : [['kong.response.set_header', 'x-ran', '1']],
  }
  const before = puppet.events.length
  const { response, streamed } = await send(one, new URL(proxyUrl))
  const shown = JSON.stringify(response)
    .replace(/[\da-f]{32}/g, '<request-id>')
    .replace(/(x-kong-[a-z]+-latency): \d+/g, '$1: <ms>')
    .replace(/date: [^"]+/g, 'date: <date>')
    .replace(/kong\/\d+\.\d+\.\d+/g, 'kong/<version>')
  return { name: one.name, response: JSON.parse(shown), streamed, events: puppet.events.slice(before) }
}

function send(one: BehaviourCase, proxy: URL): Promise<{ response: unknown; streamed: boolean }> {
  return new Promise(resolve => {
    const { hostname: host, port } = proxy
    const path = `/${one.route}?how=${one.upstream ?? 'whole'}`
    const { method = 'GET', headers = {} } = one
    const request = httpRequest({ host, port, method, path, headers, agent: false }, response => {
      let body = ''
      let streamed = false
      response.on('data', (chunk: Buffer) => {
        // What comes apart from the rest was not held back.
        if (body !== '') streamed = true
        body += chunk.toString()
      })
      const lines: string[] = []
      const raw = response.rawHeaders
      for (let i = 0; i + 1 < raw.length; i += 2) lines.push(`${raw[i]?.toLowerCase()}: ${raw[i + 1]}`)
      response.on('close', () =>
        resolve({ response: { status: response.statusCode, headers: lines.sort(), body }, streamed }),
      )
    })
    request.on('error', () => resolve({ response: 'no answer', streamed: false }))
    request.end()
  })
}

const dump = (name: string, phase: string, priority: number) =>
  JSON.stringify({
    Protocol: 'ProtoBuf:1',
    Plugins: [
      {
        ...{ Name: name, Version: '1.0.0', Priority: priority, Phases: [phase] },
        Schema: { name, fields: [{ config: { type: 'record', fields: [] } }] },
      },
    ],
  })

const PLUGINS = {
  early: dump('early', 'response', 30),
  switch: dump('switch', 'access', 20),
  later: dump('later', 'response', 10),
}

export const behaviourSettings = (socket: string): Record<string, string> => ({
  KONG_DATABASE: 'off',
  KONG_PLUGINS: `bundled,${Object.keys(PLUGINS).join(',')}`,
  KONG_PLUGINSERVER_NAMES: Object.keys(PLUGINS).join(','),
  ...Object.fromEntries(
    Object.entries(PLUGINS).flatMap(([name, text]) => [
      [`KONG_PLUGINSERVER_${name.toUpperCase()}_SOCKET`, socket],
      [`KONG_PLUGINSERVER_${name.toUpperCase()}_QUERY_CMD`, `printf '%s' '${text}'`],
    ]),
  ),
})

export const behaviourConfiguration = (upstreamPort: number, refusedPort: number) => {
  const route = (name: string, ...plugins: string[]) => ({
    name,
    paths: [`/${name}`],
    // Else nginx itself would hold small pieces back.
    response_buffering: false,
    plugins: plugins.map(plugin => ({ name: plugin })),
  })
  return {
    _format_version: '3.0',
    services: [
      {
        ...{ name: 's', host: '127.0.0.1', port: upstreamPort, retries: 0, read_timeout: 500 },
        routes: [
          route('buffered', 'later'),
          route('switched-off', 'early', 'switch'),
          route('switched-on-again', 'switch', 'later'),
        ],
      },
      {
        ...{ name: 'refused', host: '127.0.0.1', port: refusedPort, retries: 0 },
        routes: [route('refused', 'later')],
      },
    ],
  }
}
