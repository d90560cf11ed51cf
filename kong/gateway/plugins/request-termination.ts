import { hostname } from 'node:os'
import { headerName } from '../../entities/typedefs.ts'
import { PLUGIN_BODY_BYTES } from '../proxy/body.ts'
import type { Exchange } from '../proxy/exchange.ts'
import { entityOf } from '../proxy/log-entry.ts'
import { routedPath } from '../router/path.ts'
import { readBodyFields } from './body-fields.ts'
import { definePlugin } from './builtin.ts'

interface Config {
  readonly status_code: number
  readonly message: string | null
  readonly content_type: string | null
  readonly body: string | null
  readonly echo: boolean
  readonly trigger: string | null
}

const MESSAGES: Readonly<Record<number, string>> = {
  401: 'Unauthorized',
  404: 'Not found',
  405: 'Method not allowed',
  500: 'An unexpected error occurred',
  502: 'Bad Gateway',
  503: 'Service unavailable',
}

function checkConfig({ message, content_type, body, echo }: Partial<Config>): string | undefined {
  if (message && (content_type || body)) return 'message cannot be used with content_type or body'
  if (content_type && !body) return 'content_type requires a body'
  if (echo && (content_type || body)) return 'echo cannot be used with content_type and body'
  return undefined
}

export const requestTermination = definePlugin<Config>({
  name: 'request-termination',
  priority: 2,
  rules: { config: { custom_validator: checkConfig }, 'config.trigger': headerName },
  start: () => ({ configure: config => ({ access: exchange => terminate(exchange, config) }) }),
})

function terminate(exchange: Exchange, config: Config): undefined | Promise<void> {
  const { trigger, status_code: status, content_type: type, body } = config
  if (trigger && !exchange.headers.has(trigger) && exchange.query[trigger] === undefined) return undefined
  const message = config.message ?? MESSAGES[status]
  if (config.echo) return echo(exchange, status, message)
  if (body !== null) exchange.respond(status, body, type ? { 'Content-Type': type } : {})
  else if (message === undefined) exchange.respond(status)
  else exchange.respondJson(status, { message })
  return undefined
}

/** Answers with what the request was, for debugging. */
async function echo(exchange: Exchange, status: number, message: string | undefined): Promise<void> {
  const { match, node, service } = exchange
  const fields = await readBodyFields(exchange)
  const raw = await exchange.body.whole(PLUGIN_BODY_BYTES)
  exchange.respondJson(status, {
    message,
    kong: { node_id: node.nodeId, worker_pid: process.pid, hostname: hostname() },
    request: {
      scheme: exchange.scheme,
      host: exchange.host,
      port: exchange.serverPort,
      headers: exchange.headers.toRecord(),
      query: exchange.query,
      body: fields?.values,
      raw_body: raw?.toString('utf8'),
      method: exchange.method,
      path: routedPath(exchange.requestUri),
      uri_captures: match?.captures ?? { unnamed: [], named: {} },
    },
    matched_route: match && entityOf(match.route, node.workspaceId),
    matched_service: service && entityOf(service, node.workspaceId),
  })
}
