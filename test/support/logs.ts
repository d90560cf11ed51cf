import { pino } from 'pino'
import type { Logger } from '../../foundation/log.ts'

export interface RecordedLogs {
  readonly logger: Logger
  /** Everything that was logged, one JSON object a line. */
  text(): string
}

/** A logger of the finest level that keeps its lines. It hides nothing: what is handed to it must be clean. */
export function recordLogs(): RecordedLogs {
  const lines: string[] = []
  const logger = pino({ level: 'trace', base: null }, { write: line => lines.push(line) })
  return { logger, text: () => lines.join('') }
}
