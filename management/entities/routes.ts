import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from '../../foundation/typebox.ts'
import { KIND_NAMES, KINDS, type Kind } from '../../kong/reconcile/kinds.ts'
import { isObject } from '../../kong/schema/spec.ts'
import type { Operation } from '../changes/operation.ts'
import { Flags, submitChange } from '../changes/submit-routes.ts'
import { operatorOf } from '../http/access.ts'
import { askerOf } from '../http/asker.ts'
import { readIfMatch } from '../http/prefer.ts'
import { Problem } from '../http/problem.ts'
import type { App, Module, Parts } from '../module.ts'

const Key = Type.Object({ key: Type.String({ minLength: 1, description: 'id, or the name of the entity' }) })

const Reading = Type.Object(
  {
    secrets: Type.Optional(
      Type.Literal('reveal', { description: 'shows secrets; for admins, with the header `Sluice-Reason`' }),
    ),
  },
  { additionalProperties: false },
)

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
    const config = { access: 'editor' } as const
    app.get(
      one,
      {
        config: { access: 'viewer' },
        schema: { tags, summary: `A ${noun}`, params: Key, querystring: Reading },
      },
      (request, reply) =>
        request.query.secrets === 'reveal'
          ? this.#reveal(request.params.key, request, reply)
          : this.#read(request.params.key, reply),
    )
    app.post(
      all,
      { config, schema: { tags, summary: `Create a ${noun}`, querystring: Flags } },
      (request, reply) => this.#change('create', request, reply),
    )
    const keyed = { tags, params: Key, querystring: Flags }
    app.put(one, { config, schema: { ...keyed, summary: `Create or replace a ${noun}` } }, (request, reply) =>
      this.#change('replace', request, reply),
    )
    app.patch(
      one,
      { config, schema: { ...keyed, summary: `Change fields of a ${noun}` } },
      (request, reply) => this.#change('update', request, reply),
    )
    app.delete(one, { config, schema: { ...keyed, summary: `Delete a ${noun}` } }, (request, reply) =>
      this.#change('delete', request, reply),
    )
  }

  async #read(key: string, reply: FastifyReply): Promise<unknown> {
    const { name, noun } = this.#kind
    const found = await this.#parts.reads.one(name, key)
    if (!found) throw new Problem('SLUICE_MANAGER_NOT_FOUND', `there is no ${noun} ${JSON.stringify(key)}`)
    return reply.header('etag', found.etag).type('application/json; charset=utf-8').send(found.json)
  }

  /** With secrets, for whom and why is told. */
  async #reveal(key: string, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { name: kind, noun } = this.#kind
    const { events, reads } = this.#parts
    const { name, role } = operatorOf(request)
    const { reason } = askerOf(request)
    if (role !== 'admin')
      throw new Problem('SLUICE_MANAGER_FORBIDDEN', `${name} is ${role}; showing secrets takes admin`)
    if (reason === null || reason === '') {
      const detail = 'Sluice-Reason: say in this header why the secrets are needed'
      throw new Problem('SLUICE_MANAGER_INVALID', detail, {
        faults: [{ pointer: '', code: 'required', detail }],
      })
    }
    const found = await reads.revealed(kind, key)
    if (!found) throw new Problem('SLUICE_MANAGER_NOT_FOUND', `there is no ${noun} ${JSON.stringify(key)}`)
    const { id } = JSON.parse(found.json) as { readonly id: string }
    await events.publish({
      type: 'manager.secret.revealed.v1',
      subject: `${kind}/${id}`,
      data: { actor: name, reason, kind, id },
    })
    return reply
      .headers({ etag: found.etag, 'cache-control': 'no-store' })
      .type('application/json; charset=utf-8')
      .send(found.json)
  }

  #change(action: Operation['action'], request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { irreversible } = request.query as { irreversible?: string }
    return submitChange(
      this.#parts,
      { request, reply },
      {
        operations: [this.#operation(action, request)],
        acceptsIrreversible: irreversible === 'accept',
        role: operatorOf(request).role,
      },
    )
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

function bodyOf({ body }: FastifyRequest): Readonly<Record<string, unknown>> {
  if (isObject(body)) return body
  const detail = 'the body must be a JSON object'
  throw new Problem('SLUICE_MANAGER_MALFORMED', detail, { faults: [{ pointer: '', code: 'type', detail }] })
}
