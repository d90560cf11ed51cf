import assert from 'node:assert/strict'
import { type LoggedIn, newUser, type SamplePlatform, samplePlatform } from '../support/sample-platform.ts'
import { runSchemathesis, SCHEMATHESIS_MS, type SchemathesisRun } from '../support/schemathesis.ts'
import { START_MS } from '../support/services.ts'

const SERVICES = ['users', 'products'] as const

describe('every documented operation of the sample services, by schemathesis', function () {
  this.timeout(SCHEMATHESIS_MS)
  let platform: SamplePlatform
  let admin: LoggedIn
  const runs = new Map<string, Promise<SchemathesisRun>>()
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
      const { failed, output } = (await runs.get(service)) as SchemathesisRun
      assert.ok(!failed, output)
      const [, tested] = /^ {2}Tested: (\d+)$/m.exec(output) ?? []
      assert.equal(Number(tested), service === 'users' ? 9 : 5, output)
    })

  function run(service: (typeof SERVICES)[number]): Promise<SchemathesisRun> {
    const token = platform.keys.token({
      aud: service,
      sub: 'users-service',
      act_sub: admin.id,
      lifetime: 3_600,
    })
    return runSchemathesis(`${platform[service].url}/openapi.json`, {
      headers: { 'Sluice-Token': token, Authorization: `Bearer ${admin.bearer}` },
    })
  }
})
