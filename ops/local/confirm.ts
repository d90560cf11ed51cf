import { createInterface } from 'node:readline/promises'

/** Asks whether something may be fetched. */
export type Confirm = (question: string) => Promise<boolean>

/**
 * Asks on a terminal. The answer is yes where CI or SLUICE_YES is set, and where there is no terminal to ask on:
 * what is asked about changes nothing outside Sluice's own folders. Ctrl-D means no, and so does Ctrl-C, which also
 * interrupts the process as it would anywhere else.
 */
export const confirm: Confirm = async question => {
  if (process.env.CI || process.env.SLUICE_YES || !process.stdin.isTTY) return true
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const closed = new AbortController()
  terminal.once('SIGINT', () => {
    terminal.close()
    // A raw terminal sends no signal.
    if (!process.emit('SIGINT')) process.kill(process.pid, 'SIGINT')
  })
  terminal.once('close', () => closed.abort())
  try {
    return !/^\s*n/i.test(await terminal.question(`${question} [Y/n] `, { signal: closed.signal }))
  } catch (error) {
    if (!closed.signal.aborted) throw error
    process.stderr.write('\n')
    return false
  } finally {
    terminal.close()
  }
}

/** Where the question was asked before, and nothing is fetched behind the answer's back. */
export const refuse: Confirm = async () => false
