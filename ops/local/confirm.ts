import { createInterface } from 'node:readline/promises'

/**
 * Asks on a terminal. Where CI or SLUICE_YES is set the answer is yes, and also where there is no terminal to ask
 * on: what is asked about touches nothing outside Sluice's own folders.
 */
export async function confirm(question: string): Promise<boolean> {
  if (process.env.CI || process.env.SLUICE_YES || !process.stdin.isTTY) return true
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await terminal.question(`${question} [Y/n] `)
    return !/^\s*n/i.test(answer)
  } finally {
    terminal.close()
  }
}
