import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from '../../foundation/typebox.ts'
import { KIND_NAMES, KINDS, type Kind } from '../../kong/reconcile/kinds.ts'
import { isObject } from '../../kong/schema/spec.ts'
import { answerChange } from '../changes/answer.ts'
import type { ChangeRequest } from '../changes/change-record.ts'
import { isIrreversible } from '../changes/irreversible.ts'
import type { Operation } from '../changes/operation.ts'
import { maskOf } from '../changes/turn.ts'
import { operatorOf } from '../http/access.ts'
import { readIfMatch, readPrefer } from '../http/prefer.ts'
import { Problem } from '../http/problem.ts'
import type { App, Module, Parts } from '../module.ts'
import { planBody } from './plan-body.ts'

const Flags = Type.Object({
  dry_run: Type.Optional(
    Type.Union([Type.Literal('1'), Type.Literal('true')], {
      description: 'answers the plan, and writes nothing',
    }),
  ),
  irreversible: Type.Optional(Type.Literal('accept', { description: 'makes also what could not be undone' })),
})
const Key = Type.Object({ key: Type.String({ minLength: 1, description: 'id, or the name of the entity' }) })

/** Each kind of entity of Kong under its path in the Admin API. */
export const entityRoutes: Module = (app, parts) => {
  for (const name of KIND_NAMES) new KindRoutes(KINDS[name], parts).register(app)
}

class KindRoutes {
  readonly #kind: Kind
  readonly #parts: Parts

  constructor(kind: Kind, parts: Parts) {
    this.#kind = kind
    this.#parts = parts
  }

  register(app: App): void {
    const { path, noun } = this.#kind
    const [all, one] = [`/v1/${path}`, `/v1/${path}/:key`]
    const tags = [path]
    const write = { config: { access: 'editor' as const } }
    app.get(
      one,
      { config: { access: 'viewer' }, schema: { tags, summary: `A ${noun}`, params: Key } },
      (request, reply) => this.#read(request.params.key, reply),
    )
    app.post(
      all,
      { ...write, schema: { tags, summary: `Create a ${noun}`, querystring: Flags } },
      (request, reply) => this.#change('create', request, reply),
    )
    const keyed = { tags, params: Key, querystring: Flags }
    app.put(
      one,
      { ...write, schema: { ...keyed, summary: `Create or replace a ${noun}` } },
      (request, reply) => this.#change('replace', request, reply),
    )
    app.patch(
      one,
      { ...write, schema: { ...keyed, summary: `Change fields of a ${noun}` } },
      (request, reply) => this.#change('update', request, reply),
    )
    app.delete(one, { ...write, schema: { ...keyed, summary: `Delete a ${noun}` } }, (request, reply) =>
      this.#change('delete', request, reply),
    )
  }

  async #read(key: string, reply: FastifyReply): Promise<unknown> {
    const { name, noun } = this.#kind
    const found = await this.#parts.reads.one(name, key)
    if (!found) throw new Problem('SLUICE_MANAGER_NOT_FOUND', `there is no ${noun} ${JSON.stringify(key)}`)
    return reply.header('etag', found.etag).type('application/json; charset=utf-8').send(found.json)
  }

  async #change(action: Operation['action'], request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { changes, reads } = this.#parts
    const { dry_run: isDry, irreversible } = request.query as { dry_run?: string; irreversible?: string }
    const asked: ChangeRequest = {
      operations: [this.#operation(action, request)],
      acceptsIrreversible: irreversible === 'accept',
    }
    if (isDry !== undefined) {
      const { steps, schemas } = await changes.plan({ ...asked, acceptsIrreversible: true })
      return reply.send({
        ...planBody(steps, maskOf(schemas, steps)),
        irreversible: steps.filter(isIrreversible).length,
      })
    }
    const preference = readPrefer(request.headers.prefer)
    const change = await changes.submit({
      ...askerOf(request),
      ...identityOf(request, asked),
      request: asked,
    })
    const ended = await changes.waitForEnd(change, preference.waitMs)
    return answerChange(reply, ended, preference, { store: changes.store, reads })
  }

  #operation(action: Operation['action'], request: FastifyRequest): Operation {
    const { key } = request.params as { key?: string }
    const ifMatch = readIfMatch(request.headers['if-match'])
    return {
      action,
      kind: this.#kind.name,
      body: action === 'delete' ? {} : bodyOf(request),
      pointer: '',
      ...(key !== undefined && { key }),
      ...(ifMatch && { ifMatch }),
    }
  }
}

export const bodyOf = ({ body }: FastifyRequest): Readonly<Record<string, unknown>> => {
  if (isObject(body)) return body
  throw new Problem('SLUICE_MANAGER_MALFORMED', 'the body must be a JSON object', {
    faults: [{ pointer: '', code: 'type', detail: 'the body must be a JSON object' }],
  })
}

/** Who asks, and why. */
export function askerOf(request: FastifyRequest) {
  const { id, name } = operatorOf(request)
  const reason = request.headers['sluice-reason']
  return { operatorId: id, actor: name, reason: typeof reason === 'string' ? reason.slice(0, 1_000) : null }
}

/** What a request came by, and what makes it the same as another one. */
export function identityOf(request: FastifyRequest, asked: unknown) {
  const key = request.headers['idempotency-key']
  const origin = `${request.method} ${request.url.replace(/\?.*$/s, '')}`
  if (typeof key !== 'string') return { origin }
  if (!/^[\x21-\x7e]{1,255}$/.test(key))
    throw new Problem(
      'SLUICE_MANAGER_MALFORMED',
      'Idempotency-Key: must be 1 to 255 printable ASCII characters without spaces',
    )
  return { origin, idempotencyKey: key, fingerprint: [origin, asked] }
}
