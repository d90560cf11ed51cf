import type { DeclaredState } from './declared.ts'
import { type Problem, problemAt } from './problem.ts'

/** The select tag of a run for which none was chosen. Without a tag nothing would tell what is ours. */
export const DEFAULT_SELECT_TAG = 'sluice'

export interface SelectTags {
  readonly tags: readonly string[]
  readonly problems: readonly Problem[]
}

/**
 * The tags that every entity of the run bears, and that an entity of Kong must bear to be changed or deleted.
 *
 * All files of a run have the same ones: given to the entities of all files, the tags of one file would later delete
 * those of another.
 *
 * @param given tags of the command line, added to those of each file.
 */
export function chooseSelectTags({ tagsOf }: DeclaredState, given: readonly string[]): SelectTags {
  const chosen = tagsOf.map(({ source, tags = [] }) => ({ source, tags: tagsOrDefault([...given, ...tags]) }))
  const first = chosen[0]
  if (!first) return { tags: tagsOrDefault(given), problems: [] }
  const problems = chosen
    .filter(({ tags }) => !isSameSet(tags, first.tags))
    .map(({ source, tags }) => {
      const text = `select tags ${list(tags)} differ from ${list(first.tags)} of ${first.source.file}; give all files of one run the same _info.select_tags, or apply them one by one`
      return problemAt(source, ['_info', 'select_tags'], text)
    })
  return { tags: first.tags, problems }
}

const tagsOrDefault = (tags: readonly string[]): readonly string[] =>
  tags.length > 0 ? [...new Set(tags)] : [DEFAULT_SELECT_TAG]

const list = (tags: readonly string[]): string => tags.map(tag => JSON.stringify(tag)).join(', ')

const isSameSet = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every(tag => b.includes(tag))
