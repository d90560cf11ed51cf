import { randomUUID } from 'node:crypto'
import { isUuid } from '../../../foundation/uuid.ts'
import { withNameList } from '../../entities/certificate.ts'
import { ENTITIES } from '../../entities/entities.ts'
import { notFound } from '../state/errors.ts'
import { referenceId } from '../state/references.ts'
import type { EntityStore } from '../state/store.ts'
import { type AdminRequest, message, ok } from './answer.ts'
import { dataOf } from './body.ts'
import { entityMethods } from './entity.ts'
import { nestedMethods } from './nested.ts'
import { RELATIONS } from './relations.ts'
import type { Methods } from './route.ts'

/** `/certificates/<id or server name>` and what is beneath it. */
export function certificateMethods(
  store: EntityStore,
  text: string,
  path: readonly string[],
): Methods | undefined {
  const id = isUuid(text) ? text : idByName(store, text)
  const methods =
    path.length === 2 ? ownMethods(store, id ?? randomUUID(), text) : beneath(store, id ?? randomUUID(), path)
  return methods && id === undefined ? exceptPut(methods) : methods
}

function idByName(store: EntityStore, name: string): string | undefined {
  const sni = store.select('snis', { field: 'name', value: name })
  return sni && referenceId(sni, 'certificate')
}

/** A name that no certificate has: PUT makes one for it. */
function exceptPut(methods: Methods): Methods {
  const unknown = () => message(404, 'SNI not found')
  const refused = Object.fromEntries(Object.keys(methods).map(method => [method, unknown]))
  return { ...refused, ...(methods.PUT && { PUT: methods.PUT }) }
}

function ownMethods(store: EntityStore, id: string, text: string): Methods {
  return {
    ...entityMethods(store, 'certificates', { id }),
    GET() {
      const row = store.select('certificates', { id })
      if (!row) throw notFound({ id })
      return ok({ ...row, snis: namesOf(store, id) })
    },
    PUT(request) {
      const { snis, ...data } = bodyOf(store, request)
      const names = isUuid(text) || snis === undefined ? (snis ?? null) : withName(snis, text)
      return ok(store.upsert('certificates', { id }, { ...data, snis: names }))
    },
    PATCH: request => ok(store.update('certificates', { id }, bodyOf(store, request))),
  }
}

const namesOf = (store: EntityStore, id: string): readonly unknown[] =>
  store
    .page('snis', { size: 1000, scope: { field: 'certificate', id } })
    .data.map(({ name }) => name)
    .sort()

const bodyOf = (store: EntityStore, request: AdminRequest): Readonly<Record<string, unknown>> =>
  withNameList(dataOf(store, 'certificates', request))

const withName = (snis: unknown, name: string): unknown =>
  Array.isArray(snis) && !snis.includes(name) ? [...snis, name] : snis

function beneath(store: EntityStore, id: string, path: readonly string[]): Methods | undefined {
  const relation = RELATIONS.find(
    ({ child, parent }) => parent === 'certificates' && ENTITIES[child].nestedPath === path[2],
  )
  return relation && nestedMethods(store, { ...relation, key: { id } }, path)
}
