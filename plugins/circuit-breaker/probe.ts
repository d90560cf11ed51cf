import type { Layer } from './node-breaker.ts'

/** What the access phase of a probe leaves for its log phase. */
export interface Probe {
  readonly layer: Layer
  readonly generation: number
  readonly token: string
}

export const writeMark = ({ layer, generation, token }: Probe): string =>
  `probe ${layer} ${generation} ${token}`

/** Undefined for any other mark. */
export function readMark(mark: string | undefined): Probe | undefined {
  if (mark === undefined) return undefined
  const [word, layer, generation, ...rest] = mark.split(' ')
  const token = rest.join(' ')
  if (word !== 'probe' || (layer !== 'own' && layer !== 'shared') || token === '') return undefined
  return { layer, generation: Number(generation), token }
}
