/**
 * One of the processes of `pool.ts`: runs the files that it is told, one after another, so that what they import loads
 * once, and what they share (`support/at-end.ts`) starts once.
 */
import { readFileSync } from 'node:fs'
import { format } from 'node:util'
import Mocha from 'mocha'
import { mochaGlobalTeardown } from '../support/at-end.ts'
import { endLingering } from './linger.ts'
import './patience.ts'
import type { FileOutcome } from './suites.ts'

/** What the process is told: a file to run, or that there are no more. */
export type Order = { readonly file: string } | 'end'

/** What it tells: what came of the file with what there is to show of it, or what holds it behind its last test. */
export type Report =
  | { readonly outcome: FileOutcome; readonly shown: string }
  | { readonly lingering: string }

const { EVENT_TEST_FAIL } = Mocha.Runner.constants
const settings = JSON.parse(readFileSync(new URL('../../../.mocharc.json', import.meta.url), 'utf8'))
const tell = (report: Report) => process.send?.(report)

let shown = ''
Mocha.reporters.Base.consoleLog = (...values: unknown[]) => {
  shown += `${format(...values)}\n`
}

async function run(file: string): Promise<FileOutcome> {
  const mocha = new Mocha({
    reporter: Mocha.reporters.Spec,
    timeout: settings.timeout,
    forbidOnly: settings['forbid-only'],
  })
  mocha.addFile(file)
  await mocha.loadFilesAsync()
  const failures: { title: string; message: string }[] = []
  const stats = await new Promise<Mocha.Stats>(resolve => {
    const runner = mocha.run(() => {
      // Else it goes on listening to the process, and what the next file throws is told twice.
      runner.dispose()
      resolve(runner.stats as Mocha.Stats)
    })
    runner.on(EVENT_TEST_FAIL, (test, error) => {
      failures.push({ title: test.fullTitle(), message: String(error?.message) })
    })
  })
  return { passes: stats.passes, pending: stats.pending, failures }
}

process.on('message', async (order: Order) => {
  if (order === 'end') {
    endLingering(lingering => tell({ lingering }))
    await mochaGlobalTeardown()
    process.channel?.unref()
    return
  }
  shown = ''
  const outcome = await run(order.file).catch((error: Error) => {
    shown += `${error.stack}\n`
    return { passes: 0, pending: 0, failures: [{ title: 'cannot be loaded', message: error.message }] }
  })
  tell({ outcome, shown })
})
