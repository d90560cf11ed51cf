import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import { errorBody, statusText } from '../../../protocol/error-answers.ts'
import { nginxPage } from './nginx.ts'

/** nginx's status for plain HTTP where TLS is spoken. */
export const PLAIN_HTTP = 497

/** What a client is told instead of nginx's own numbers. */
const SHOWN: Readonly<Record<number, number>> = { 494: 400, [PLAIN_HTTP]: 400 }

/** The whole answer to what is no HTTP request; the connection ends with it. */
export function refusal(status: number, version: string): string {
  const id = randomUUID().replaceAll('-', '')
  const shown = SHOWN[status] ?? status
  const { type, text } =
    status === PLAIN_HTTP
      ? nginxPage(400, '400 Bad Request', 'The plain HTTP request was sent to HTTPS port')
      : errorBody('text/plain', statusText(status), id)
  return [
    `HTTP/1.1 ${shown} ${STATUS_CODES[shown] ?? ''}`,
    `Date: ${new Date().toUTCString()}`,
    `Content-Type: ${type}`,
    'Connection: close',
    `Content-Length: ${Buffer.byteLength(text)}`,
    'X-Kong-Response-Latency: 0',
    `Server: kong/${version}`,
    `X-Kong-Request-Id: ${id}`,
    '',
    text,
  ].join('\r\n')
}
