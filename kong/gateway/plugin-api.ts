import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { ApiAnswer, BuiltinPlugin } from './plugins/builtin.ts'

/** The parts of the Admin API that plugins bring along, in front of the Admin API proper. */
export function withPluginApis(
  admin: RequestListener,
  plugins: readonly BuiltinPlugin[],
  version: string,
): RequestListener {
  return (request, response) => {
    answerOf(plugins, request)
      .then(answer => {
        if (answer) send(request, response, answer, version)
        else admin(request, response)
      })
      .catch(() => response.destroy())
  }
}

async function answerOf(
  plugins: readonly BuiltinPlugin[],
  { method = 'GET', url = '/' }: IncomingMessage,
): Promise<ApiAnswer | undefined> {
  const path = url.split('?', 1)[0] ?? '/'
  for (const plugin of plugins) {
    const answer = await plugin.api?.(method === 'HEAD' ? 'GET' : method, path)
    if (answer) return answer
  }
  return undefined
}

function send(request: IncomingMessage, response: ServerResponse, answer: ApiAnswer, version: string): void {
  const { status, type, body = '' } = answer
  response.writeHead(status, {
    'Access-Control-Allow-Origin': request.headers.origin ?? '*',
    Server: `kong/${version}`,
    ...(body !== '' && { 'Content-Type': type, 'Content-Length': String(Buffer.byteLength(body)) }),
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** What serves the Status API: of the Admin API only what tells how the node is. */
export function statusOnly(admin: RequestListener): RequestListener {
  return (request, response) => {
    const path = request.url?.split('?', 1)[0]
    if (path === '/status' || path === '/metrics') admin(request, response)
    else {
      const body = JSON.stringify(path === '/status/ready' ? { message: 'ready' } : { message: 'Not found' })
      response.writeHead(path === '/status/ready' ? 200 : 404, {
        'Content-Type': 'application/json; charset=utf-8',
      })
      response.end(body)
    }
  }
}
