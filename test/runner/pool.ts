import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import type { FileOutcome, Outcomes } from './suites.ts'
import type { Order, Report } from './worker.ts'

const WORKER = path.join(import.meta.dirname, 'worker.js')

/**
 * Runs the files in so many processes of mocha at once: each takes the next group when it is done with one, and what
 * there is to show of a file is printed when it is done.
 */
export async function runFiles(groups: readonly (readonly string[])[], processes: number): Promise<Outcomes> {
  const queue = [...groups]
  const outcomes: Record<string, FileOutcome> = {}
  const worker = async () => {
    let child: ChildProcess | undefined
    for (let group = queue.shift(); group !== undefined; group = queue.shift())
      for (const file of group) {
        child ??= fork(WORKER, { execArgv: ['--enable-source-maps'] })
        const report = await ask(child, { file })
        const name = path.relative(process.cwd(), file)
        if (report && 'outcome' in report) {
          process.stdout.write(report.shown)
          outcomes[name] = report.outcome
        } else {
          outcomes[name] = failed('ended the process of its tests', 'before they were done')
          child = undefined
        }
      }
    if (!child) return
    const last = await ask(child, 'end')
    const name = `process ${child.pid} behind its last test`
    if (last && 'lingering' in last) outcomes[name] = failed('something was left running', last.lingering)
    else if (child.exitCode !== 0) outcomes[name] = failed('something was thrown', 'it is printed above')
  }
  await Promise.all(Array.from({ length: processes }, worker))
  return outcomes
}

const failed = (title: string, message: string): FileOutcome => ({
  passes: 0,
  pending: 0,
  failures: [{ title, message }],
})

/** What the process answers; undefined where it ends without. */
async function ask(child: ChildProcess, order: Order): Promise<Report | undefined> {
  if (!child.connected) return undefined
  const ended = new AbortController()
  child.send(order)
  try {
    return await Promise.race([
      once(child, 'message', ended).then(([report]) => report as Report),
      once(child, 'close', ended).then(() => undefined),
    ])
  } finally {
    ended.abort()
  }
}
