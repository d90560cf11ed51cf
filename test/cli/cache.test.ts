import assert from 'node:assert/strict'
import { runSluice } from '../support/run-sluice.ts'
import { START_MS, sharedRedis } from '../support/services.ts'

describe('sluice cache', function () {
  this.timeout(60_000)
  let env: Record<string, string> = {}

  before(async function () {
    this.timeout(START_MS)
    env = { SLUICE_REDIS_URL: (await sharedRedis()).url }
  })

  it('stores an order to purge, and says what it means', async () => {
    const { code, stdout } = await runSluice(
      ['cache', 'purge', '--prefix', '/none-of-the-tests', '--host', 'Shop.example'],
      env,
    )
    assert.equal(stdout, 'purged: prefix /none-of-the-tests of shop.example\n')
    assert.equal(code, 0)
    const stats = await runSluice(['cache', 'stats', '--json'], env)
    assert.ok((JSON.parse(stats.stdout) as { purges: number }).purges > 0)
    assert.match((await runSluice(['cache', 'stats'], env)).stdout, /answers in Redis, \d+ purges/)
  })

  for (const [flags, message] of [
    [[], /give one of --key, --prefix, --tag, --all/],
    [['--all', '--tag', 'x'], /give one of --key, --prefix, --tag, --all/],
    [['--key', 'products'], /a key is a path: \/products/],
    [['--tag', 'a b'], /a tag has no spaces/],
  ] as const)
    it(`refuses purge ${flags.join(' ')}`, async () => {
      const { code, stderr } = await runSluice(['cache', 'purge', ...flags], env)
      assert.equal(code, 1)
      assert.match(stderr, message)
    })

  it('says that without Redis there is nothing to purge from here', async () => {
    const { code, stderr } = await runSluice(['cache', 'purge', '--all'])
    assert.equal(code, 1)
    assert.match(stderr, /SLUICE_REDIS_URL is not set/)
  })
})
