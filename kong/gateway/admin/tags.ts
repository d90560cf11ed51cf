import { COLLECTIONS } from '../../entities/entities.ts'
import { checkTag } from '../../entities/validators.ts'
import { invalidUnique } from '../state/errors.ts'
import { cutList } from '../state/page.ts'
import type { Lookup } from '../state/state.ts'
import type { Answer } from './answer.ts'
import { nextOf, pageAnswer, pageOptions } from './list.ts'
import type { Methods, Resolve } from './route.ts'

interface Tagged {
  readonly entity_name: string
  readonly entity_id: string
  readonly tag: string
}

/** `/tags` and `/tags/<tag>`: which entities bear which tags. */
export function createTagResolve(lookup: Lookup): Resolve {
  return (path): Methods | undefined => {
    if (path[0] !== 'tags' || path.length > 2) return undefined
    return {
      GET(request): Answer {
        const wrong = path[1] === undefined ? undefined : checkTag(path[1])
        if (wrong !== undefined) throw invalidUnique('tag', wrong)
        const { tags: _tags, ...options } = pageOptions(request)
        const page = cutList(tagged(lookup, path[1]), keyOf, options)
        return pageAnswer(page.data, page.offset, nextOf(`/${path.join('/')}`, request, page.offset))
      },
    }
  }
}

/** The order of the list, which an offset goes on from. */
const keyOf = ({ tag, entity_name, entity_id }: Tagged): string => `${tag}/${entity_name}/${entity_id}`

function tagged(lookup: Lookup, wanted: string | undefined): readonly Tagged[] {
  const all = COLLECTIONS.flatMap(collection =>
    lookup
      .list(collection)
      .flatMap(row => tagsOf(row).map(tag => ({ entity_name: collection, entity_id: row.id, tag }))),
  )
  const found = wanted === undefined ? all : all.filter(({ tag }) => tag === wanted)
  return found.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}

const tagsOf = (row: object): readonly string[] => ('tags' in row && Array.isArray(row.tags) ? row.tags : [])
