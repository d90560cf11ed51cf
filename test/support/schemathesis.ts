import { execFile } from 'node:child_process'
import path from 'node:path'
import { projectFolder } from '../../ops/local/folders.ts'
import { obtainSchemathesis } from '../../ops/local/schemathesis.ts'
import { makeFolder } from './folder.ts'

/** More examples an operation, also at random and in sequences: SLUICE_TEST_SCHEMATHESIS_EXAMPLES=200. */
const EXAMPLES = process.env.SLUICE_TEST_SCHEMATHESIS_EXAMPLES
const PHASES = EXAMPLES === undefined ? 'coverage' : 'coverage,fuzzing,stateful'

/** Not `bin/st`: its first line names the folder in which the environment was made. */
const START = 'from schemathesis.cli import schemathesis; schemathesis()'

/** For a test that runs it, milliseconds. */
export const SCHEMATHESIS_MS = EXAMPLES === undefined ? 600_000 : 1_200_000

export interface SchemathesisRun {
  readonly failed: boolean
  readonly output: string
}

export interface SchemathesisOptions {
  readonly headers: Readonly<Record<string, string>>
  /** Checks of its that do not apply. */
  readonly without?: readonly string[]
  /** Paths that it leaves alone, as a regular expression. */
  readonly exceptPaths?: string
}

/** Tests every operation of the document at the URL, as test/flask-sample/schemathesis.toml says. */
export async function runSchemathesis(
  url: string,
  { headers, without = [], exceptPaths }: SchemathesisOptions,
): Promise<SchemathesisRun> {
  const { command, env } = await obtainSchemathesis(() => {})
  const folder = makeFolder()
  const config = path.join(projectFolder(), 'test', 'flask-sample', 'schemathesis.toml')
  const args = [
    ...['--config-file', config, 'run', url],
    ...Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`]),
    ...(without.length > 0 ? ['--exclude-checks', without.join(',')] : []),
    ...(exceptPaths === undefined ? [] : ['--exclude-path-regex', exceptPaths]),
    // Its own limit of ten seconds fails on a busy machine for a change of thousands of entities.
    ...['--request-timeout', '120'],
    ...['--phases', PHASES, '--max-examples', EXAMPLES ?? '1', '--no-color'],
    ...['--generation-database', 'none', ...(EXAMPLES === undefined ? ['--seed', '1'] : [])],
  ]
  return new Promise(resolve => {
    execFile(
      command,
      ['-c', START, ...args],
      { env, cwd: folder.path, maxBuffer: 1e8 },
      (error, stdout, stderr) => {
        folder.remove()
        resolve({ failed: error !== null, output: stdout + stderr })
      },
    )
  })
}
