import { type Logger as PinoLogger, pino } from 'pino'

/** What a part of Sluice may log with: pino's own logger. */
export type Logger = Pick<
  PinoLogger,
  'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'child' | 'level'
>

/** Paths that are never printed, whatever object is handed to the logger. */
const REDACTED = [
  'apikey',
  'key',
  'password',
  'secret',
  'authorization',
  '*.apikey',
  '*.key',
  '*.password',
  '*.secret',
  '*.authorization',
]

/**
 * Structured logs, one JSON object a line.
 *
 * @param destination file descriptor: 1 for a server, 2 where stdout carries data (`sluice dump`).
 */
export function createLogger(level: string, destination: 1 | 2 = 1): Logger {
  return pino(
    {
      level,
      base: null,
      redact: { paths: REDACTED, censor: '(hidden)' },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    pino.destination({ dest: destination, sync: true }),
  )
}

/** A stream of lines into a file or to standard output; here, so that pino is loaded once (ops/build/bundle-packages.mjs). */
export const lineStream = pino.destination
