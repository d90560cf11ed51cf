import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import { errorBody, statusText } from '../../../protocol/error-answers.ts'

/** The whole answer to what is no HTTP request; the connection ends with it. */
export function refusal(status: number, version: string): string {
  const id = randomUUID().replaceAll('-', '')
  const shown = status === 494 ? 400 : status
  const { type, text } = errorBody('text/plain', statusText(status), id)
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
