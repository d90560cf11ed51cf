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

const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 }

/** `90s`, `15m`, `2h`, `7d` in seconds. @throws Error for anything else, and for none */
export function secondsOf(span: string): number {
  const [, count, unit] = /^(\d+)\s*([smhd])$/.exec(span.trim()) ?? []
  const seconds = Number(count) * SECONDS[unit as keyof typeof SECONDS]
  if (seconds > 0) return seconds
  throw new Error('For how long: a number and s, m, h or d, such as 15m.')
}
