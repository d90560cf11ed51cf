import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import path from 'node:path'
import { projectFolder } from '../../ops/local/folders.ts'
import { obtainSchemathesis } from '../../ops/local/schemathesis.ts'
import { makeFolder } from '../support/folder.ts'
import { type LoggedIn, newUser, type SamplePlatform, samplePlatform } from '../support/sample-platform.ts'
import { START_MS } from '../support/services.ts'

/** More examples an operation, also at random and in sequences: SLUICE_TEST_SCHEMATHESIS_EXAMPLES=200. */
const EXAMPLES = process.env.SLUICE_TEST_SCHEMATHESIS_EXAMPLES
const PHASES = EXAMPLES === undefined ? 'coverage' : 'coverage,fuzzing,stateful'

const SERVICES = ['users', 'products'] as const

interface Run {
  readonly failed: boolean
  readonly output: string
}

/** Not `bin/st`: its first line names the folder in which the environment was made. */
const START = 'from schemathesis.cli import schemathesis; schemathesis()'

describe('every documented operation of the sample services, by schemathesis', function () {
  this.timeout(EXAMPLES === undefined ? 120_000 : 1_200_000)
  let platform: SamplePlatform
  let admin: LoggedIn
  const runs = new Map<string, Promise<Run>>()
  before(async function () {
    this.timeout(START_MS)
    platform = await samplePlatform()
    admin = await newUser(platform)
    await platform.users.run('make-admin', admin.email)
    // Both at once: each waits more than it works.
    for (const service of SERVICES) runs.set(service, run(service))
  })

  for (const service of SERVICES)
    it(`accepts and answers what its document says: ${service}`, async () => {
      const { failed, output } = (await runs.get(service)) as Run
      assert.ok(!failed, output)
      const [, tested] = /^ {2}Tested: (\d+)$/m.exec(output) ?? []
      assert.equal(Number(tested), service === 'users' ? 9 : 5, output)
    })

  async function run(service: (typeof SERVICES)[number]): Promise<Run> {
    const { command, env } = await obtainSchemathesis(() => {})
    const token = platform.keys.token({
      aud: service,
      sub: 'users-service',
      act_sub: admin.id,
      lifetime: 3_600,
    })
    const folder = makeFolder()
    const config = path.join(projectFolder(), 'test', 'flask-sample', 'schemathesis.toml')
    const args = [
      ...['--config-file', config, 'run', `${platform[service].url}/openapi.json`],
      ...['--header', `Sluice-Token: ${token}`, '--header', `Authorization: Bearer ${admin.bearer}`],
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
})
