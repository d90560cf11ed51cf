/** Texts for people. Times of Kong are seconds, those of the manager ISO 8601. */

const TIME = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' })
const NUMBER = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 1 })

export const formatNumber = (value: number): string => NUMBER.format(value)

export function formatTime(value: string | number | Date | null | undefined): string {
  if (value === null || value === undefined) return 'never'
  const time = typeof value === 'number' ? new Date(value * 1000) : new Date(value)
  return Number.isNaN(time.getTime()) ? String(value) : TIME.format(time)
}

const SPANS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
] as const

/** `3 minutes`, `1 hour`. */
export function formatSpan(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`
  const [unit, size] = SPANS.find(([, size]) => ms >= size) ?? SPANS[3]
  const count = Math.floor(ms / size)
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}

export const formatAgo = (value: string | number, nowMs: number): string => {
  const atMs = typeof value === 'number' ? value * 1000 : Date.parse(value)
  return nowMs - atMs < 1000 ? 'just now' : `${formatSpan(nowMs - atMs)} ago`
}

/** A value as one line of text; what is not there is said in words. */
export function formatValue(value: unknown): string {
  if (value === undefined || value === null) return 'not set'
  if (value === '') return 'empty text'
  if (typeof value === 'string') return value
  if (Array.isArray(value) && value.length === 0) return 'empty list'
  if (Array.isArray(value) && value.every(item => typeof item === 'string')) return value.join(', ')
  return JSON.stringify(value)
}

/** `90s`, `15m`, `2h`, `7d` in milliseconds; undefined for what is none. */
export function parseSpan(text: string): number | undefined {
  const match = /^(\d+)\s*([smhd])$/.exec(text.trim())
  if (!match) return undefined
  return (
    Number(match[1]) * { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] as 's' | 'm' | 'h' | 'd']
  )
}
