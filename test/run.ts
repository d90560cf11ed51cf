/**
 * `node dist/test/run.js [FILE...]`: every test, or those in the files, in two processes of mocha at once, one for each core that a small machine has.
 * `--unit`: only those that start no other program. The last line is `N passed, N failed` for all.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Counts, divide, isUnitTest, summary, total } from './support/suites.ts'

/** How long the longest take, in about the seconds of a quiet machine: it only decides which process runs them. */
const LONGEST: Readonly<Record<string, number>> = {
  'dashboard/browser': 50,
  'ops/local/up/up': 43,
  'contract/proxy-answers': 19,
  'events/gateway': 19,
  'ops/local/up/refusal': 17,
  'ops/local/find': 13,
  'cli/state': 12,
  'events/crash': 9,
  'plugin-server/kong-js/denials': 9,
  'events/rabbitmq': 9,
  'plugins/upstream-token/end-to-end': 12,
  'plugins/request-log/plugin': 9,
  'plugins/circuit-breaker/end-to-end': 8,
  'plugins/circuit-breaker/streams': 6,
  'plugins/circuit-breaker/script': 6,
  'kong/reconcile/random': 5,
  'ops/build/package': 5,
  'cli/new': 5,
  'events/planted': 5,
  'cli/serve': 5,
}
const OTHERS = 1

const dist = path.dirname(import.meta.dirname)
const named = process.argv.slice(2).filter(argument => !argument.startsWith('--'))
const all = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
  .filter(file => file.endsWith('.test.js'))
  .map(file => path.join(import.meta.dirname, file))
const secondsOf = (file: string) =>
  LONGEST[path.relative(import.meta.dirname, file).replace('.test.js', '')] ?? OTHERS
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
const files = named.length > 0 ? named : all
const chosen = process.argv.includes('--unit') ? files.filter(file => isUnitTest(file, dist)) : files
const parts = divide(chosen, 2, secondsOf)
const counts = total(
  await Promise.all(parts.map((part, index) => run(part, path.join(folder, String(index)), index === 0))),
)
rmSync(folder, { recursive: true })
process.stdout.write(Buffer.concat(behind))
process.stdout.write(`${summary(counts)}\n`)
process.exitCode = counts.failures > 0 ? 1 : 0
