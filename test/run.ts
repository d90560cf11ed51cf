/**
 * `node dist/test/run.js`: every test, in two processes of mocha at once, one for each core that a small machine has.
 * `--unit`: only those that start no other program, in one process. The last line is `N passed, N failed` for all.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Counts, divide, isUnitTest, summary, total } from './support/suites.ts'

/** Seconds on two quiet cores of those that take long; the others take one or less. */
const SECONDS: Readonly<Record<string, number>> = {}

const dist = path.dirname(import.meta.dirname)
const files = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
  .filter(file => file.endsWith('.test.js'))
  .map(file => path.join(import.meta.dirname, file))
const secondsOf = (file: string) => SECONDS[path.relative(dist, file)] ?? 0.5
const mocha = createRequire(import.meta.url).resolve('mocha/bin/mocha.js')

/** What the second process prints, shown behind the first's. */
const behind: Buffer[] = []

async function run(
  files: readonly string[],
  countsFile: string,
  isFirst: boolean,
): Promise<Counts | undefined> {
  const child = spawn(process.execPath, [mocha, ...files], {
    env: { ...process.env, SLUICE_TEST_COUNTS: countsFile },
    stdio: isFirst ? 'inherit' : ['ignore', 'pipe', 'pipe'],
  })
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', chunk => behind.push(chunk))
  await once(child, 'close')
  try {
    return JSON.parse(readFileSync(countsFile, 'utf8')) as Counts
  } catch {
    process.stderr.write('a process of mocha ended before its tests did\n')
    return undefined
  }
}

const folder = mkdtempSync(path.join(tmpdir(), 'sluice-test-'))
const parts = process.argv.includes('--unit')
  ? [files.filter(file => isUnitTest(file, dist))]
  : divide(files, 2, secondsOf)
const counts = total(
  await Promise.all(parts.map((part, index) => run(part, path.join(folder, String(index)), index === 0))),
)
rmSync(folder, { recursive: true })
process.stdout.write(Buffer.concat(behind))
process.stdout.write(`${summary(counts)}\n`)
process.exitCode = counts.failures > 0 ? 1 : 0
