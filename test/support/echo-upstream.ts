import type { RequestListener } from 'node:http'

/** Answers with what it was asked, in the form that the query wants. */
export const echoRequest: RequestListener = (request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const { searchParams: wants } = new URL(request.url ?? '/', 'http://echo')
    const status = Number(wants.get('st') ?? 200)
    const body = JSON.stringify({
      method: request.method,
      url: request.url,
      headers: request.rawHeaders,
      body: Buffer.concat(chunks).toString('latin1'),
    })
    const headers: string[] = ['content-type', wants.get('ct') ?? 'application/json', 'x-up', '1']
    if (wants.has('dup')) headers.push('set-cookie', 'a=1', 'set-cookie', 'b=2', 'x-dup', '1', 'x-dup', '2')
    if (wants.has('hop'))
      headers.push(
        'connection',
        'close, x-up',
        'upgrade',
        'h2c',
        'trailer',
        'x-t',
        'te',
        'x',
        'keep-alive',
        'timeout=3',
      )
    if (wants.has('via'))
      headers.push(
        'via',
        '1.0 other',
        'server',
        'mine',
        'x-kong-upstream-latency',
        '77',
        'x-kong-request-id',
        'theirs',
      )
    if (wants.has('len')) headers.push('content-length', String(Buffer.byteLength(body)))
    if (wants.has('enc')) headers.push('content-encoding', 'gzip')
    response.writeHead(status, headers)
    response.end(request.method === 'HEAD' || status === 304 || status === 204 ? undefined : body)
  })
}
