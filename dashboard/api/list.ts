/** How the manager answers with a list. */
export interface List<T> {
  readonly data: readonly T[]
}
