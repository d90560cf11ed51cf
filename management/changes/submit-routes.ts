import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Static, Type } from '../../foundation/typebox.ts'
import { KIND_NAMES, KINDS, type KindName } from '../../kong/reconcile/kinds.ts'
import { operatorOf } from '../http/access.ts'
import { askerOf, identityOf } from '../http/asker.ts'
import { textOf } from '../http/bodies.ts'
import { validatorCompiler } from '../http/compiler.ts'
import { readPrefer } from '../http/prefer.ts'
import { Problem } from '../http/problem.ts'
import type { Module, Parts } from '../module.ts'
import { answerChange } from './answer.ts'
import type { ChangeRequest } from './change-record.ts'
import { isIrreversible } from './irreversible.ts'
import type { Operation } from './operation.ts'
import { planBody } from './represent.ts'
import { maskOf } from './turn.ts'

/** Operations in one change; more would hold the others up for long. */
const MOST_OPERATIONS = 5_000

export const Flags = Type.Object({
  dry_run: Type.Optional(
    Type.Enum(['1', 'true'], { type: 'string', description: 'answers the plan, and writes nothing' }),
  ),
  irreversible: Type.Optional(Type.Literal('accept', { description: 'makes also what could not be undone' })),
})

/** Kinds by both of their names: `keyauth_credentials` of files, `key-auths` of paths. */
const KIND_OF: ReadonlyMap<string, KindName> = new Map(
  KIND_NAMES.flatMap(name => [[KINDS[name].path, name] as const, [name, name] as const]),
)

const OperationBody = Type.Object(
  {
    action: Type.Enum(['create', 'replace', 'update', 'delete'], { type: 'string' }),
    kind: Type.Enum([...KIND_OF.keys()], { type: 'string' }),
    key: Type.Optional(
      Type.String({ minLength: 1, description: 'id or name of the entity; not for `create`' }),
    ),
    body: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    if_match: Type.Optional(Type.String({ description: 'its present ETag' })),
  },
  { additionalProperties: false },
)

const ChangeBody = Type.Object(
  {
    operations: Type.Array(OperationBody, { minItems: 1, maxItems: MOST_OPERATIONS }),
    reason: Type.Optional(Type.String({ maxLength: 1_000 })),
  },
  { additionalProperties: false },
)

const FileQuery = Type.Object({
  ...Flags.properties,
  select_tag: Type.Optional(
    Type.String({ description: 'for files: only entities with this tag are touched; comma-separated' }),
  ),
})

/** Many operations, or a file in decK's format, as one change. */
export const submitRoutes: Module = (app, parts) => {
  const config = { access: 'editor' } as const
  const schema = { tags: ['changes'], summary: 'Make a change of many entities' }
  app.addContentTypeParser(
    ['application/yaml', 'application/x-yaml', 'text/yaml'],
    { parseAs: 'buffer' },
    async (request: FastifyRequest, body: Buffer) => new YamlText(textOf(request, body)),
  )
  app.post(
    '/v1/changes',
    {
      config,
      schema: { ...schema, body: ChangeBody, querystring: FileQuery },
      validatorCompiler: fileOrJson,
    },
    (request, reply) => submitChange(parts, { request, reply }, changeRequest(request)),
  )
}

/** A body that came as YAML. */
class YamlText {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** A file is checked by its own reader, with lines and columns. */
const fileOrJson: typeof validatorCompiler = route => {
  const check = validatorCompiler(route)
  return value => (route.httpPart === 'body' && value instanceof YamlText ? { value } : check(value))
}

function changeRequest(request: FastifyRequest): ChangeRequest {
  const { body, query } = request
  const { role } = operatorOf(request)
  const { irreversible, select_tag: tags = '' } = query as Static<typeof FileQuery>
  const acceptsIrreversible = irreversible === 'accept'
  if (body instanceof YamlText) {
    const selectTags = tags.split(',').filter(tag => tag !== '')
    return { operations: [], file: { text: body.text, selectTags }, acceptsIrreversible, role }
  }
  const { operations } = body as Static<typeof ChangeBody>
  return { operations: operations.map(toOperation), acceptsIrreversible, role }
}

function toOperation(given: Static<typeof OperationBody>, i: number): Operation {
  const { action, key, body = {}, if_match: ifMatch } = given
  const pointer = `/operations/${i}`
  const kind = KIND_OF.get(given.kind)
  const isCreation = action === 'create'
  if (!kind || isCreation === (key !== undefined)) {
    const detail = isCreation
      ? 'key: a creation takes none'
      : `key: ${action} needs the id or name of the entity`
    throw new Problem('SLUICE_MANAGER_INVALID', detail, {
      faults: [{ pointer: `${pointer}/key`, code: isCreation ? 'invalid' : 'required', detail }],
    })
  }
  return {
    action: action as Operation['action'],
    kind,
    body,
    pointer: `${pointer}/body`,
    ...(key !== undefined && { key }),
    ...(ifMatch !== undefined && { ifMatch: [ifMatch] }),
  }
}

export interface SubmitOptions {
  /** The change that is taken back. */
  readonly undoOf?: string
  readonly isPastMirror?: boolean
  /** What makes a repeated request the same; what is asked for by default. */
  readonly sameAs?: unknown
  /** The kind of what is made, with what belongs to it: the answer is 201 with its place. */
  readonly makes?: KindName
}

interface Exchanged {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

/** Plans a change, or submits it and waits for it. */
export async function submitChange(
  { changes, reads }: Parts,
  { request, reply }: Exchanged,
  asked: ChangeRequest,
  { undoOf, isPastMirror, sameAs = undoOf ?? asked, makes }: SubmitOptions = {},
): Promise<unknown> {
  const { dry_run: isDry } = request.query as Static<typeof Flags>
  if (isDry !== undefined) {
    const { steps, schemas } = await changes.plan({ ...asked, acceptsIrreversible: true })
    const irreversible = steps.filter(isIrreversible).length
    return reply.send({ ...planBody(steps, maskOf(schemas, steps)), irreversible })
  }
  const preference = readPrefer(request.headers.prefer)
  const change = await changes.submit({
    ...askerOf(request),
    ...identityOf(request, sameAs),
    ...(undoOf !== undefined && { undoOf }),
    ...(isPastMirror && { isPastMirror }),
    request: asked,
  })
  const ended = await changes.waitForEnd(change, preference.waitMs)
  return answerChange(reply, ended, preference, {
    ...{ store: changes.store, reads, makes },
    isAboutChange: undoOf !== undefined || isPastMirror === true,
  })
}
