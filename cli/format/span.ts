import { SluiceError } from '../../foundation/errors.ts'

const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const

/**
 * Reads a time: `30m`, `1h`, `7d` (that long ago), or a date as ISO 8601 has it.
 *
 * @returns milliseconds since the epoch.
 * @throws SluiceError SLUICE_CLI_USAGE
 */
export function readTime(text: string, option: string, nowMs: number): number {
  const span = /^(\d+)([smhdw])$/.exec(text)
  if (span) return nowMs - Number(span[1]) * UNIT_MS[span[2] as keyof typeof UNIT_MS]
  const atMs = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(atMs))
    throw new SluiceError(
      'SLUICE_CLI_USAGE',
      `${option}: ${JSON.stringify(text)} is neither a span such as 1h nor a date`,
    )
  return atMs
}
