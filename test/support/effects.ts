import { createServer, request as httpRequest, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { EffectCase } from '../contract/kong-effects/cases.ts'
import type { PuppetServer } from './puppet-server.ts'

/** What a case did: to the request for the upstream, to the response, and what Kong replied to the plugin. */
export interface Effect {
  readonly name: string
  /** Null: the upstream was not asked. */
  readonly upstream: unknown
  readonly response: unknown
  readonly replies: readonly unknown[]
}

export interface EffectUpstream {
  readonly port: number
  /** The request that came last. */
  last: unknown
  close(): Promise<void>
}

export async function startEffectUpstream(): Promise<EffectUpstream> {
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      upstream.last = {
        method: request.method,
        url: request.url,
        headers: pairs(request.rawHeaders),
        body: Buffer.concat(chunks).toString(),
      }
      response.writeHead(200, {
        'content-type': 'application/json',
        'x-upstream': 'echo',
        'content-length': 2,
      })
      response.end('{}')
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const upstream: EffectUpstream = {
    port: (server.address() as AddressInfo).port,
    last: null,
    async close() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
  return upstream
}

/** Sorted, since the order of headers is nobody's promise. */
function pairs(raw: readonly string[]): string[] {
  const lines: string[] = []
  for (let i = 0; i < raw.length; i += 2)
    lines.push(`${raw[i]!.toLowerCase()}: ${Buffer.from(raw[i + 1]!, 'latin1').toString()}`)
  return lines.sort()
}

export async function runCase(
  one: EffectCase,
  proxyUrl: string,
  puppet: PuppetServer,
  upstream: EffectUpstream,
): Promise<Effect> {
  puppet.script = one.calls
  upstream.last = null
  const response = await send(one, new URL(proxyUrl))
  const ports: readonly (readonly [string, string])[] = [
    [`"port":${upstream.port}`, '"port":"<upstream>"'],
    [`:${new URL(proxyUrl).port}`, ':<proxy>'],
    [`"${new URL(proxyUrl).port}"`, '"<proxy>"'],
    [`port: ${new URL(proxyUrl).port}`, 'port: <proxy>'],
    [`:${upstream.port}`, ':<upstream>'],
  ]
  let json = JSON.stringify({ name: one.name, upstream: upstream.last, response, replies: puppet.replies })
  for (const [port, placeholder] of ports) json = json.replaceAll(port, placeholder)
  json = json
    .replace(/"id":"[\da-f-]{36}"/g, '"id":"<id>"')
    .replace(/[\da-f]{32}/g, '<request-id>')
    .replace(/"(x-kong-[a-z]+-latency)":"\d+"/g, '"$1":"<ms>"')
    .replace(/"date":"[^"]+"/g, '"date":"<date>"')
    .replace(/(x-kong-[a-z]+-latency): \d+/g, '$1: <ms>')
    .replace(/date: [^"]+/g, 'date: <date>')
    .replace(/kong\/\d+\.\d+\.\d+/g, 'kong/<version>')
    .replace(/"(createdAt|updatedAt)":\d+/g, '"$1":"<time>"')
  return JSON.parse(json) as Effect
}

function send(one: EffectCase, proxy: URL): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const { body } = one
    const request = httpRequest(
      {
        host: proxy.hostname,
        port: proxy.port,
        method: one.method ?? 'GET',
        path: `/${one.route ?? 'puppet'}${one.target ?? '/x?a=1'}`,
        headers: { ...one.headers, ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }) },
        agent: false,
      },
      response => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', () => resolve('the response was cut'))
        response.on('end', () =>
          resolve({
            status: response.statusCode,
            headers: pairs(response.rawHeaders),
            body: Buffer.concat(chunks).toString(),
          }),
        )
      },
    )
    request.setTimeout(10_000, () => request.destroy(new Error(`no answer to "${one.name}"`)))
    request.on('error', reject)
    request.end(body)
  })
}

const dump = (name: string, phase: string) =>
  JSON.stringify({
    Protocol: 'ProtoBuf:1',
    Plugins: [
      {
        Name: name,
        Version: '1.0.0',
        Priority: 10,
        Phases: [phase],
        Schema: { name, fields: [{ config: { type: 'record', fields: [] } }] },
      },
    ],
  })

/** Kong's settings for the two plugins that the cases use, one a phase. */
export const effectSettings = (socket: string): Record<string, string> => ({
  KONG_DATABASE: 'off',
  KONG_PLUGINS: 'bundled,puppet,late',
  KONG_PLUGINSERVER_NAMES: 'puppet,late',
  KONG_PLUGINSERVER_PUPPET_SOCKET: socket,
  KONG_PLUGINSERVER_PUPPET_QUERY_CMD: `printf '%s' '${dump('puppet', 'access')}'`,
  KONG_PLUGINSERVER_LATE_SOCKET: socket,
  KONG_PLUGINSERVER_LATE_QUERY_CMD: `printf '%s' '${dump('late', 'response')}'`,
})

/** What the cases meet, as a declarative configuration. */
export const effectConfiguration = (upstreamPort: number) => ({
  _format_version: '3.0',
  services: [
    {
      name: 'puppet',
      url: `http://127.0.0.1:${upstreamPort}/base`,
      retries: 0,
      routes: [
        { name: 'puppet', paths: ['/puppet'], plugins: [{ name: 'puppet' }] },
        { name: 'late', paths: ['/late'], plugins: [{ name: 'late' }] },
      ],
    },
    {
      name: 'named',
      host: 'localhost',
      port: upstreamPort,
      path: '/base',
      retries: 0,
      routes: [{ name: 'named', paths: ['/named'], plugins: [{ name: 'puppet' }] }],
    },
  ],
  upstreams: [{ name: 'pool.test', targets: [{ target: `127.0.0.1:${upstreamPort}` }] }],
  consumers: [
    { username: 'eddie', custom_id: 'eid', tags: ['gold'], id: '9dd3613e-c08e-47fb-99cf-ac5b7efb25d8' },
  ],
})
