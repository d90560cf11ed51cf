import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
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
