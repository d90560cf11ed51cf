import { type Collection, ENTITIES } from '../../entities/entities.ts'
import type { PageOptions } from '../state/page.ts'
import type { EntityStore } from '../state/store.ts'
import type { Row } from '../state/table.ts'
import { type AdminRequest, type Answer, created, message, ok } from './answer.ts'
import { dataOf } from './body.ts'
import type { Methods } from './route.ts'

/** `/routes`. */
export function collectionMethods(store: EntityStore, collection: Collection): Methods {
  return {
    GET(request) {
      const { custom_id } = request.query
      if (collection === 'consumers' && custom_id !== undefined) return byCustomId(store, custom_id)
      const { data, offset } = store.page(collection, pageOptions(request))
      return pageAnswer(data, offset, nextOf(`/${ENTITIES[collection].path}`, request, offset))
    },
    POST: request => created(store.insert(collection, dataOf(store, collection, request))),
  }
}

export function pageOptions({ query }: AdminRequest): PageOptions {
  return {
    ...(query.size !== undefined && { size: Number(query.size) }),
    ...(query.offset !== undefined && { offset: query.offset }),
    ...(query.tags !== undefined && { tags: query.tags }),
  }
}

/** The address of the next page: with the filter and the size of this one. */
export function nextOf(
  path: string,
  { query: { size, tags } }: AdminRequest,
  offset: string | undefined,
): string {
  const query = [
    `offset=${encodeURIComponent(offset ?? '')}`,
    ...(tags === undefined ? [] : [`tags=${encodeURIComponent(tags)}`]),
    ...(size === undefined ? [] : [`size=${size}`]),
  ]
  return `${path}?${query.join('&')}`
}

export const pageAnswer = (data: readonly unknown[], offset: string | undefined, next: string): Answer =>
  ok({ data, ...(offset !== undefined && { offset }), next: offset === undefined ? null : next })

function byCustomId(store: EntityStore, customId: string): Answer {
  if (customId === '') return message(400, 'custom_id must be an unempty string')
  const found: Row | undefined = store.select('consumers', { field: 'custom_id', value: customId })
  return ok({ data: found ? [found] : [], next: null })
}
