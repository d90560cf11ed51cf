import type { Logger } from '../foundation/log.ts'

export interface LogLine {
  readonly level: string
  readonly message: string
  readonly [field: string]: unknown
}

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const

/** Keeps what is logged, for a test to look at. */
export function createCollectedLog(lines: LogLine[], bound: Readonly<Record<string, unknown>> = {}): Logger {
  const write =
    (level: string) =>
    (first: unknown, text?: string): void => {
      const fields = typeof first === 'object' && first !== null ? first : {}
      lines.push({ ...bound, ...fields, level, message: text ?? (typeof first === 'string' ? first : '') })
    }
  return {
    ...Object.fromEntries(LEVELS.map(level => [level, write(level)])),
    level: 'trace',
    child: (fields: Readonly<Record<string, unknown>>) => createCollectedLog(lines, { ...bound, ...fields }),
  } as unknown as Logger
}
