import { SluiceError } from '../../foundation/errors.ts'

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const LONGEST_MS = 30 * 86_400_000

/**
 * Reads a duration such as 90s, 15m, 2h or 7d.
 *
 * @returns milliseconds.
 * @throws SluiceError SLUICE_CLI_USAGE for anything else, and for more than 30 days.
 */
export function parseDuration(text: string): number {
  const [, count, unit = ''] = /^(\d+)([smhd])$/.exec(text) ?? []
  const ms = Number(count) * (UNITS[unit] ?? Number.NaN)
  if (!(ms > 0 && ms <= LONGEST_MS))
    throw new SluiceError(
      'SLUICE_CLI_USAGE',
      `${JSON.stringify(text)} is not a duration such as 90s, 15m, 2h or 7d, of at most 30 days`,
    )
  return ms
}

/** The two longest units that tell something: `42s`, `3m 20s`, `2h 5m`. */
export function formatDuration(ms: number): string {
  const seconds = Math.ceil(ms / 1000)
  if (seconds < 60) return `${seconds}s`
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const
  const first = parts.findIndex(([amount]) => amount > 0)
  return parts
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount}${unit}`)
    .join(' ')
}
