/**
 * `node dist/test/run.js [FILE...]`: every test, or those in the files, in some processes of mocha at once. `--unit`: only
 * those that start no other program. The last line is `N passed, N failed` for all.
 */
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { GROUPS } from './runner/groups.ts'
import { runFiles } from './runner/pool.ts'
import { failedFiles, failureLines, inGroups, isUnitTest, type Outcomes, summary } from './runner/suites.ts'

/** Much of the time goes by waiting: more processes than a small machine has cores use them better. */
const PROCESSES = 4

/** With more failed files than these, the change is at fault and not the machine. */
const MOST_RUN_ALONE = 5

const dist = path.dirname(import.meta.dirname)
const named = process.argv.slice(2).filter(argument => !argument.startsWith('--'))
const all = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
  .filter(file => file.endsWith('.test.js'))
  .map(file => path.join(import.meta.dirname, file))

/**
 * In CI, whose machines are shared, a file that failed beside the others runs once more, alone, and what came of it then
 * counts. Both are printed: a test that needs a quiet machine is a fault, though not one that stops a change.
 */
async function runAlone(first: Outcomes): Promise<Outcomes> {
  const again = failedFiles(first).filter(file => existsSync(file))
  if (again.length > MOST_RUN_ALONE) return first
  const second: Record<string, Outcomes[string]> = {}
  for (const file of again) Object.assign(second, await runFiles([[file]], 1))
  return { ...first, ...second }
}

const files = named.length > 0 ? named : all
const chosen = process.argv.includes('--unit') ? files.filter(file => isUnitTest(file, dist)) : files
const first = await runFiles(inGroups(chosen, GROUPS), PROCESSES)
for (const line of failureLines(first)) process.stdout.write(`failed: ${line}\n`)
const last = process.env.CI ? await runAlone(first) : first
if (last !== first)
  for (const line of failureLines(last)) process.stdout.write(`failed also alone: ${line}\n`)
process.stdout.write(`${summary(last)}\n`)
process.exitCode = failedFiles(last).length > 0 ? 1 : 0
