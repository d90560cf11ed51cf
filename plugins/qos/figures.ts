/**
 * Figures of limits: what a state was counted by. A store keeps those of all limits of a subject in one text, and behind
 * a space the print of the limit set that they belong to, so that a request of the same set need not read them:
 *
 *     g:minute,1000000,60,60;s:hour,3600000000,500;c:month,10000; k3Jd9x0q
 */
import { intervalMicros } from './gcra.ts'
import { fieldOf, type Limit, type Stored } from './limit.ts'

/** gcra: interval, burst, requests. sliding: length of a window, requests. calendar: requests. */
export function figuresOf(limit: Limit): readonly number[] {
  switch (limit.kind) {
    case 'gcra':
      return [intervalMicros(limit), limit.burst, limit.requests]
    case 'sliding':
      return [limit.perMicros, limit.requests]
    case 'calendar':
      return [limit.requests]
  }
}

/** @param print tells these figures, changes by operators included, from others. */
export function formatFigures(limits: readonly Limit[], print: string, before: string): string {
  const fields = new Set(limits.map(fieldOf))
  const own = limits.map(limit => `${fieldOf(limit)},${figuresOf(limit).join()};`)
  // Those of limits of another tier stay, since their states do.
  const others = entriesOf(before).filter(entry => !fields.has(entry.split(',')[0]!))
  return `${own.join('')}${others.map(entry => `${entry};`).join('')}${print}`
}

export function parseFigures(text: string): ReadonlyMap<string, readonly number[]> {
  return new Map(
    entriesOf(text).map(entry => {
      const [field = '', ...figures] = entry.split(',')
      return [field, figures.map(Number)]
    }),
  )
}

const entriesOf = (text: string) => text.split(' ')[0]!.split(';').filter(Boolean)

/** A state that says by what it was counted. One that says so already stays as it is. */
export function withFigures(limit: Limit, state: Stored, figures: readonly number[]): Stored {
  if (limit.kind === 'gcra') return typeof state === 'number' ? [state, figures[0]!] : state
  const counts = state as readonly number[]
  return limit.kind === 'sliding' && counts.length === 3 ? [...counts, figures[0]!] : state
}
