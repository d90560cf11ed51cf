import type { Socket } from 'node:net'
import type {
  FastifyError,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifyServerOptions,
} from 'fastify'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import { isTransient } from '../../kong/admin/answer.ts'
import { createAllowed } from './methods.ts'
import { isProblemCode, Problem } from './problem.ts'
import { faultsOfValidation } from './validation.ts'

/** Answers every error as a problem document; what nobody foresaw is logged, and told without its message. */
export function answerProblems(app: FastifyInstance, log: Logger): void {
  const allowedFor = createAllowed(app)
  app.setErrorHandler((error: unknown, request, reply) => {
    const problem = toProblem(error)
    if (problem.status >= 500)
      log.error(
        { method: request.method, url: pathOf(request), reason: messageOf(problem.cause ?? error) },
        problem.title,
      )
    return send(reply, problem)
  })
  app.setNotFoundHandler((request, reply) => {
    const path = pathOf(request)
    const allowed = allowedFor(path)
    if (allowed.length === 0)
      return send(reply, new Problem('SLUICE_MANAGER_NOT_FOUND', `there is nothing at ${path}`))
    const allow = allowed.join(', ')
    const text = `${path} takes ${allow}, not ${request.method}`
    return send(reply, new Problem('SLUICE_MANAGER_METHOD', text, { headers: { allow } }))
  })
}

/** What Fastify refuses before there is a route: a path that is no URL, a parameter that is too long. */
export const answerFrameworkError: NonNullable<FastifyServerOptions['frameworkErrors']> = (
  error,
  _request,
  reply,
) => {
  void send(reply, toProblem(error))
}

const STATUS_OF: Readonly<Record<string, readonly [status: number, title: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout'],
}

/** What is no HTTP at all, to which only the socket can answer. */
export function answerNoRequest(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, title] = STATUS_OF[error.code ?? ''] ?? [400, 'Bad Request']
  const problem = new Problem('SLUICE_MANAGER_MALFORMED', 'this is no HTTP request that can be read')
  const body = JSON.stringify({ ...problem.body, status })
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

const pathOf = ({ url }: FastifyRequest): string => url.replace(/\?.*$/s, '')

const send = (reply: FastifyReply, problem: Problem) =>
  reply
    .status(problem.status)
    .headers(problem.headers)
    .type('application/problem+json')
    .serializer((body: unknown) => JSON.stringify(body))
    .send(problem.body)

function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (isTransient(error))
    return new Problem('SLUICE_MANAGER_UNAVAILABLE', 'Kong does not answer', { cause: error })
  if (error instanceof SluiceError)
    return isProblemCode(error.code)
      ? new Problem(error.code, error.message, { cause: error.cause })
      : new Problem('SLUICE_MANAGER_INTERNAL', 'an internal error', { cause: error })
  const { validation, validationContext = 'body', statusCode = 500, code } = error as Partial<FastifyError>
  if (validation)
    return new Problem('SLUICE_MANAGER_MALFORMED', 'the request does not have the form of this operation', {
      faults: faultsOfValidation(validation, validationContext),
    })
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return new Problem('SLUICE_MANAGER_MEDIA_TYPE', 'the body has a content type that is not taken here')
  if (statusCode === 413) return new Problem('SLUICE_MANAGER_TOO_LARGE', 'the body is too large')
  if (statusCode === 429) return new Problem('SLUICE_MANAGER_TOO_MANY', messageOf(error))
  if (statusCode < 500) return new Problem('SLUICE_MANAGER_MALFORMED', messageOf(error))
  return new Problem('SLUICE_MANAGER_INTERNAL', 'an internal error', { cause: error })
}
