import assert from 'node:assert/strict'
import { checkLoopback } from '../../../cli/doctor/loopback.ts'
import { readSettings } from '../../../foundation/settings.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { freePort } from '../../support/ports.ts'
import { startUpstream } from '../../support/upstream.ts'

const SECRET = 'a secret of the tests, at least 32 characters'
const check = async (env: Record<string, string>) => {
  const installation = { plugins: [], dumpCommand: [], adminUrl: undefined, kongUser: undefined }
  const [found] = await checkLoopback({ settings: readSettings(env), ...installation })
  return `${found?.state} ${found?.message}`
}
const at = (url: string) => check({ SLUICE_PROXY_URL: url, SLUICE_LOOPBACK_SECRET: SECRET })

describe('the doctor of calls through Kong’s own proxy', () => {
  it('wants both settings or none', async () => {
    assert.match(await check({}), /^ok /)
    assert.match(await check({ SLUICE_LOOPBACK_SECRET: SECRET }), /^fail SLUICE_PROXY_URL is not set/)
    assert.match(await check({ SLUICE_PROXY_URL: 'http://x' }), /^fail SLUICE_LOOPBACK_SECRET is not set/)
  })

  it('knows a Kong from another server, and from none', async () => {
    const gateway = await startTestGateway()
    const other = await startUpstream((_, response) => response.end())
    assert.match(await at(gateway.proxyUrl), /^ok Kong answers/)
    assert.match(await at(other.url), /^fail what answers .* is no Kong/)
    assert.match(await at(`http://127.0.0.1:${await freePort()}`), /^fail no answer/)
    await gateway.close()
    await other.close()
  })
})
