import assert from 'node:assert/strict'
import { createLogger } from '../../../foundation/log.ts'
import { createMetrics } from '../../../foundation/metrics.ts'
import { Loopback } from '../../../plugin-server/loopback/loopback.ts'
import { createStore } from '../../../plugin-server/stores/create.ts'
import type { Store } from '../../../sdk/sdk.ts'
import { freePort } from '../../support/ports.ts'
import { createTestClock } from '../../support/test-clock.ts'

describe('an internal request while Redis is away', () => {
  const clock = createTestClock()
  let store: Store
  let headers: Readonly<Record<string, string>> = {}

  before(async () => {
    store = createStore(
      { redisUrl: [`redis://127.0.0.1:${await freePort()}`], redisDeadlineMs: 30 },
      { clock, metrics: createMetrics(), log: createLogger('silent') },
    )
  })
  after(() => store.close())

  const create = () =>
    new Loopback({
      ...{ store, clock, proxyUrl: () => 'http://127.0.0.1:1' },
      secret: 'a secret of the tests, at least 32 characters',
      async call(_, request) {
        headers = { ...request?.headers } as Record<string, string>
        return { status: 200, headers: {}, body: new Uint8Array(0) }
      },
    })
  const accept = (loopback: Loopback) =>
    loopback.accept(String(headers['sluice-loopback']), { method: 'GET', target: '/a' }, headers)

  it('is recognised by the process that made it only, and once', async () => {
    const [maker, other] = [create(), create()]
    const outer = { headers: {}, clientIp: '192.0.2.1', origin: undefined }
    await maker.send({ purpose: 'part', target: '/a' }, outer)
    assert.equal(await accept(other), undefined)
    assert.deepEqual(await accept(maker), { purpose: 'part', clientIp: '192.0.2.1', depth: 1 })
    assert.equal(await accept(maker), undefined)
  })
})
