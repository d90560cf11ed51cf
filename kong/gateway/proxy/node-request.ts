import { type ClientRequest, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Dispatcher } from '../../../foundation/undici.ts'
import type { Peer } from './balancer.ts'
import type { Destination, Exchange } from './exchange.ts'
import { requestTarget } from './request-head.ts'

/** A request by Node.js itself on a connection of its own, for what undici does not do. */
export function openRequest(
  exchange: Exchange,
  destination: Destination,
  peer: Peer,
  head: readonly string[],
): ClientRequest {
  const isSecure = destination.scheme === 'https'
  const ask = isSecure ? httpsRequest : httpRequest
  const request = ask({
    host: peer.ip,
    port: peer.port,
    method: exchange.method,
    path: requestTarget(exchange, destination),
    setHost: false,
    agent: false,
    timeout: destination.readTimeoutMs,
    ...(isSecure && { rejectUnauthorized: false, servername: peer.hostname }),
  })
  // Given to the constructor, a list of headers would go out at once, with a framing that Node.js chooses.
  for (let i = 0; i + 1 < head.length; i += 2) request.appendHeader(head[i] ?? '', head[i + 1] ?? '')
  return request
}

/** Methods whose requests undici gives a length of 0 where they have no body. nginx gives them none. */
const WITH_LENGTH = new Set(['PUT', 'POST', 'PATCH', 'QUERY', 'PROPFIND', 'PROPPATCH'])

export const getsLength = (method: string): boolean => WITH_LENGTH.has(method)

/** Sends a request without a body and without a length, and tells an undici handler how it goes. */
export function dispatchBare(request: ClientRequest, handler: Dispatcher.DispatchHandler): void {
  // Else Node.js would announce a body in chunks.
  request.useChunkedEncodingByDefault = false
  const fail = (error: Error) => handler.onError?.(error)
  request.once('socket', () => handler.onConnect?.(error => request.destroy(error ?? new Error('aborted'))))
  request.on('timeout', () => request.destroy(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' })))
  request.on('error', fail)
  request.on('response', response => {
    const raw = response.rawHeaders.map(text => Buffer.from(text, 'latin1'))
    handler.onHeaders?.(
      response.statusCode ?? 502,
      raw,
      () => response.resume(),
      response.statusMessage ?? '',
    )
    response.on('data', (chunk: Buffer) => {
      if (handler.onData?.(chunk) === false) response.pause()
    })
    response.on('end', () => {
      handler.onComplete?.([])
      request.destroy()
    })
    response.on('error', fail)
  })
  request.end()
}
