import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { startGateway } from '../../../../kong/gateway/gateway.ts'
import { BUNDLED_PLUGINS } from '../../../../kong/gateway/plugins/bundled.ts'
import { readGatewaySettings } from '../../../../kong/gateway/settings.ts'
import { makeFolder } from '../../../support/folder.ts'
import { startTestGateway } from '../../../support/gateway.ts'
import { recordLogs } from '../../../support/logs.ts'
import { until } from '../../../support/until.ts'

describe('a plugin that the gateway does not run', () => {
  it('is named by each answer that it would have touched, and by no other', async () => {
    const gateway = await startTestGateway()
    try {
      await gateway.admin('POST', '/routes', { name: 'r', paths: ['/r'] })
      await gateway.admin('POST', '/routes', { name: 'other', paths: ['/other'] })
      await gateway.admin('POST', '/routes/r/plugins', { name: 'tcp-log', config: { host: 'h', port: 1 } })
      await gateway.admin('POST', '/routes/r/plugins', {
        name: 'session',
        config: { secret: 'a secret of the test' },
      })
      await gateway.admin('POST', '/plugins', { name: 'request-termination', config: { status_code: 200 } })
      const header = async (target: string) =>
        (await fetch(`${gateway.proxyUrl}${target}`)).headers.get('x-sluice-not-run')
      assert.equal(await header('/r'), 'session, tcp-log')
      assert.equal(await header('/other'), null)
    } finally {
      await gateway.close()
    }
  })

  it('is reported once, at the start or when it is configured', async () => {
    const folder = makeFolder()
    const file = path.join(folder.path, 'kong.yaml')
    writeFileSync(file, '_format_version: "3.0"\nplugins: [{ name: zipkin }, { name: cors }]\n')
    const { logger, text } = recordLogs()
    const environment = {
      KONG_PROXY_LISTEN: '127.0.0.1:0',
      KONG_ADMIN_LISTEN: '127.0.0.1:0',
      KONG_DATABASE: 'off',
      KONG_DECLARATIVE_CONFIG: file,
    }
    const settings = readGatewaySettings(environment, Object.keys(BUNDLED_PLUGINS))
    const gateway = await startGateway({ settings, logger, environment })
    const reports = () => [...text().matchAll(/"msg":"([^"]*does not run it)"/g)].map(([, line]) => line)
    try {
      assert.deepEqual(reports(), ['plugin zipkin is configured, but this gateway does not run it'])
      const admin = `http://127.0.0.1:${gateway.adminAddresses[0]!.port}`
      for (const plugins of [['zipkin', 'acme'], ['acme'], ['zipkin', 'acme']])
        await fetch(`${admin}/config`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({
            _format_version: '3.0',
            plugins: plugins.map(name => ({
              name,
              ...(name === 'acme' && { config: { account_email: 'a@b.example' } }),
            })),
          }),
        })
      await until('the second report', () => reports().length > 1)
      assert.deepEqual(reports().slice(1), ['plugin acme is configured, but this gateway does not run it'])
    } finally {
      await gateway.close(0)
      folder.remove()
    }
  })
})
