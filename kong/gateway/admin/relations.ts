import { type Collection, DEFINITIONS, isCollection } from '../../entities/entities.ts'

/** `routes` refer to `services` by the field `service`. */
export interface Relation {
  readonly child: Collection
  readonly field: string
  readonly parent: Collection
}

export const RELATIONS: readonly Relation[] = DEFINITIONS.flatMap(({ name, references }) =>
  references.flatMap(({ field, to }) => (isCollection(to) ? [{ child: name, field, parent: to }] : [])),
)
