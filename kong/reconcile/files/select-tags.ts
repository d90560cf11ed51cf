import { type DeclaredState, problemAt } from './declared.ts'
import { type Problem, refuse } from './source.ts'

/** The select tag of a run for which none was chosen. Without a tag nothing would tell what is ours. */
export const DEFAULT_SELECT_TAG = 'sluice'

/**
 * The tags that every entity of the run bears, and that an entity of Kong must bear to be changed or deleted.
 *
 * All files of a run have the same ones: given to the entities of all files, the tags of one file would later delete
 * those of another.
 *
 * @param given tags of the command line, added to those of each file.
 * @throws SluiceError SLUICE_STATE_INVALID that names the files whose tags differ.
 */
export function chooseSelectTags({ tagsOf }: DeclaredState, given: readonly string[]): readonly string[] {
  const chosen = tagsOf.map(({ source, tags = [] }) => {
    const all = [...new Set([...given, ...tags])]
    return { source, tags: all.length > 0 ? all : [DEFAULT_SELECT_TAG] }
  })
  const first = chosen[0]
  if (!first) return given.length > 0 ? given : [DEFAULT_SELECT_TAG]
  refuse(
    chosen
      .filter(({ tags }) => !isSameSet(tags, first.tags))
      .map(({ source, tags }): Problem => {
        const text = `select tags ${list(tags)} differ from ${list(first.tags)} of ${first.source.file}; give all files of one run the same _info.select_tags, or apply them one by one`
        return problemAt(source, ['_info', 'select_tags'], text)
      }),
  )
  return first.tags
}

const list = (tags: readonly string[]): string => tags.map(tag => JSON.stringify(tag)).join(', ')

const isSameSet = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every(tag => b.includes(tag))
