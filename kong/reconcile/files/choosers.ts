/** Kinds whose name chooses the schema of their configuration. */
import { KINDS } from '../kinds.ts'
import type { Declared, DeclaredState } from './declared.ts'
import { type Problem, problemAt } from './problem.ts'

const CHOOSERS = ['plugins', 'vaults'] as const

const isChooser = ({ kind }: Declared): boolean => (CHOOSERS as readonly string[]).includes(kind)

/** Plugins and vaults without a name, of which nothing else can be said. */
export const namelessIn = ({ entities }: DeclaredState): readonly Problem[] =>
  entities
    .filter(entity => isChooser(entity) && typeof entity.fields.name !== 'string')
    .map(({ kind, source, path }) => problemAt(source, path, `a ${KINDS[kind].noun} needs a name`))

export const namesOf = ({ entities }: DeclaredState, kind: (typeof CHOOSERS)[number]): readonly string[] =>
  entities.flatMap(({ kind: own, fields: { name } }) =>
    own === kind && typeof name === 'string' ? [name] : [],
  )
