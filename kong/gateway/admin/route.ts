import type { Handler } from './answer.ts'

export type Methods = Readonly<Partial<Record<'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', Handler>>>

/** Finds what serves a path; undefined where there is nothing. */
export type Resolve = (path: readonly string[]) => Methods | undefined

/** The first answer of several. */
export const firstOf =
  (resolvers: readonly Resolve[]): Resolve =>
  path => {
    for (const resolve of resolvers) {
      const methods = resolve(path)
      if (methods) return methods
    }
    return undefined
  }
