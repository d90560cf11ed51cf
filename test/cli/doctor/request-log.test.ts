import assert from 'node:assert/strict'
import path from 'node:path'
import { checkRequestLog } from '../../../cli/doctor/request-log.ts'
import { readSettings } from '../../../foundation/settings.ts'
import { makeFolder } from '../../support/folder.ts'
import { startOtlpReceiver } from '../../support/otlp-receiver.ts'

const check = async (env: Record<string, string>) => {
  const installation = { plugins: [], dumpCommand: [], adminUrl: undefined, kongUser: undefined }
  const found = await checkRequestLog({ settings: readSettings(env), ...installation })
  return found.map(({ state, message }) => `${state} ${message}`)
}

describe('the doctor of the request log', () => {
  it('knows where lines and spans go', async () => {
    assert.deepEqual(await check({}), [
      'ok lines go to standard output',
      'ok SLUICE_OTLP_URL is not set: no traces',
    ])
  })

  it('sees a file that cannot be, and a collector that is away, refuses, or wants to know who asks', async () => {
    const folder = makeFolder()
    const collector = await startOtlpReceiver()
    const about = async (env: Record<string, string>) => (await check(env)).join('\n')
    const there = path.join(folder.path, 'new', 'requests.jsonl')
    assert.match(await about({ SLUICE_REQUEST_LOG_FILE: there }), /^ok lines go to .*new\/requests/)
    assert.match(await about({ SLUICE_OTLP_URL: collector.url }), /ok the collector takes spans/)
    collector.status = 403
    assert.match(await about({ SLUICE_OTLP_URL: collector.url }), /warn the collector asks who we are/)
    collector.status = 404
    assert.match(await about({ SLUICE_OTLP_URL: collector.url }), /fail the collector answers 404/)
    await collector.close()
    assert.match(await about({ SLUICE_OTLP_URL: collector.url }), /fail no collector/)
    folder.remove()
  })
})
