import { connect } from 'node:net'

/** A gateway's answer to one request, without what differs from run to run. */
export interface RawAnswer {
  readonly status: string
  /** In lower case, in the order of the alphabet. */
  readonly headers: readonly string[]
  readonly body: unknown
  /** Whether the gateway keeps the connection open. */
  readonly isKept: boolean
}

export interface Ports {
  readonly proxy: number
  readonly upstream: number
}

/** How long a connection is watched for its end after the answer is complete. */
const KEPT_AFTER_MS = 300

/** Sends bytes on a connection of their own, and reads what comes until the answer is whole. */
export async function askRaw(ports: Ports, request: string): Promise<RawAnswer> {
  const { bytes, isKept } = await exchange(
    ports.proxy,
    request.replaceAll('{{proxy}}', String(ports.proxy)),
    request.startsWith('HEAD '),
  )
  const end = bytes.indexOf('\r\n\r\n')
  const [statusLine = '', ...lines] = bytes.slice(0, end).split('\r\n')
  const raw = bytes.slice(end + 4)
  const isChunked = lines.some(line => /^transfer-encoding: *chunked$/i.test(line))
  const text = isChunked ? (dechunked(raw) ?? raw) : raw
  const anonymous = (value: string) => withoutIds(value, ports)
  return {
    status: statusLine.split(' ').slice(0, 2).join(' '),
    headers: lines
      .map(line => {
        const colon = line.indexOf(':')
        return anonymous(`${line.slice(0, colon).toLowerCase()}: ${line.slice(colon + 1).trim()}`)
      })
      .filter(line => !/^(date|keep-alive):/.test(line))
      .sort(),
    body: readBody(text, anonymous),
    isKept,
  }
}

function readBody(text: string, anonymous: (value: string) => string): unknown {
  try {
    const body = JSON.parse(anonymous(text)) as { headers?: string[] }
    if (!Array.isArray(body.headers)) return body
    const { headers } = body
    const pairs = headers.flatMap((name, i) =>
      i % 2 === 0 ? [`${name.toLowerCase()}: ${headers[i + 1]}`] : [],
    )
    return { ...body, headers: pairs.sort() }
  } catch {
    return anonymous(text)
  }
}

const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g

const withoutIds = (text: string, { proxy, upstream }: Ports) =>
  text
    .replaceAll(String(proxy), '<proxy>')
    .replaceAll(String(upstream), '<upstream>')
    .replace(UUID, '<uuid>')
    .replace(/\b[0-9a-f]{32}\b/g, id => (/^(.)\1*$/.test(id) ? id : '<request-id>'))
    .replace(/(latency: )\d+/g, '$1<ms>')
    .replace(/(.)\1{200,}/g, (run, char: string) => `<${run.length} times ${char}>`)

/** Undefined while the last chunk is missing. */
function dechunked(text: string): string | undefined {
  let rest = text
  let whole = ''
  for (;;) {
    const head = /^([0-9a-f]+)\r\n/i.exec(rest)
    if (!head) return undefined
    const length = Number.parseInt(head[1]!, 16)
    if (length === 0) return rest.includes('\r\n\r\n') || rest === '0\r\n\r\n' ? whole : undefined
    const start = head[0].length
    if (rest.length < start + length) return undefined
    whole += rest.slice(start, start + length)
    rest = rest.slice(start + length + 2)
  }
}

function isWhole(bytes: string, isHead: boolean): boolean {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return false
  const head = bytes.slice(0, end)
  const body = bytes.slice(end + 4)
  if (isHead || / (204|304) /.test(head.slice(0, 13))) return true
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) return dechunked(body) !== undefined
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  return length !== undefined && body.length >= Number(length)
}

function exchange(
  port: number,
  request: string,
  isHead: boolean,
): Promise<{ bytes: string; isKept: boolean }> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let bytes = ''
    let timer: NodeJS.Timeout | undefined
    const done = (isKept: boolean) => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ bytes, isKept })
    }
    socket.once('connect', () => socket.write(Buffer.from(request, 'latin1')))
    socket.on('data', chunk => {
      bytes += chunk.toString('latin1')
      if (isWhole(bytes, isHead)) timer ??= setTimeout(() => done(true), KEPT_AFTER_MS)
    })
    socket.once('close', () => done(false))
    socket.once('error', error => (bytes === '' ? reject(error) : done(false)))
  })
}
