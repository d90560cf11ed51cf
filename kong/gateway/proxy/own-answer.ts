import { errorBody, statusText } from '../../../protocol/error-answers.ts'
import type { Exchange } from './exchange.ts'
import { CLOSING_STATUSES, substituteFor } from './nginx.ts'

/** nginx's own error, with the body of Kong's error handler: in plain text where the client asks for no type. */
export function respondNginxError(exchange: Exchange, status: number): void {
  const { headers } = exchange
  const accept = headers.joined('accept') ?? headers.joined('content-type') ?? 'text/plain'
  const { type, text } = errorBody(accept, statusText(status), exchange.id)
  exchange.unexpected = true
  exchange.exit = undefined
  exchange.respond(status === 494 ? 400 : status, text, { 'Content-Type': type })
}

export interface OwnAnswer {
  readonly status: number
  readonly body: Buffer | undefined
  /** The connection ends with it. */
  readonly isLast: boolean
}

/**
 * What an exit becomes. nginx sends no empty error: Kong's error handler writes a body, or nginx sends its own page.
 * Sets the headers that follow from the body.
 */
export function ownAnswer(exchange: Exchange): OwnAnswer {
  const isLast = exchange.exit?.body === undefined && CLOSING_STATUSES.has(exchange.exit?.status ?? 0)
  if (exchange.exit?.body === undefined) substituteBody(exchange)
  const { status, body: given } = exchange.exit ?? { status: 500, body: undefined }
  const body = typeof given === 'string' ? Buffer.from(given) : given && Buffer.from(given)
  exchange.status = status
  const { responseHeaders } = exchange
  if (status === 204) responseHeaders.delete('content-type')
  // Whatever a plugin set as the length: with a wrong one the client would misread the next response.
  // But a 304 tells that of the answer that the client has.
  if (status === 204 && body === undefined) responseHeaders.delete('content-length')
  else if (status !== 304 || !responseHeaders.has('content-length'))
    responseHeaders.set('Content-Length', String(body?.length ?? 0))
  return { status, body, isLast }
}

function substituteBody(exchange: Exchange): void {
  const status = exchange.exit?.status ?? 500
  const substitute = substituteFor(status)
  if (substitute === 'error handler') respondNginxError(exchange, status)
  else if (substitute) {
    exchange.responseHeaders.set('Content-Type', substitute.type)
    exchange.exit = { status, body: substitute.text }
  }
}
