import { messageOf } from '../foundation/errors.ts'
import type { Logger } from '../foundation/log.ts'
import { EXIT } from './pdk/conversation.ts'

/**
 * A stray rejection or exception of one plugin must not end the process that serves all the others. An exit that was
 * asked for in a callback is none: its answer has been sent.
 */
export function outliveStrayErrors(log: Logger): void {
  const report = (error: unknown, what: string) => {
    if (error === EXIT) return
    log.error({ reason: messageOf(error), stack: error instanceof Error ? error.stack : undefined }, what)
  }
  process.on('unhandledRejection', reason => report(reason, 'unhandled rejection'))
  process.on('uncaughtException', error => report(error, 'uncaught exception'))
}
