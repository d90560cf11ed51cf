/** What TLS and HTTP/2 make of requests in the local gateway, beside what they made in a real Kong 3.9.3. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { type EffectUpstream, startEffectUpstream } from '../support/effects.ts'
import { makeFolder, type TestFolder } from '../support/folder.ts'
import { type RunningGateway, startTestGateway } from '../support/gateway.ts'
import { type PuppetServer, startPuppetServer } from '../support/puppet-server.ts'
import { runTlsCase, TLS_CASES, type TlsAnswer, tlsConfiguration, tlsSettings } from './kong-tls/cases.ts'

const FILE = path.resolve(import.meta.dirname, '../../../test/contract/kong-tls/answers.json')
const recorded = JSON.parse(readFileSync(FILE, 'utf8')) as readonly TlsAnswer[]

describe('a request over TLS is in the local gateway what it is in Kong', () => {
  let folder: TestFolder
  let puppet: PuppetServer
  let upstream: EffectUpstream
  let gateway: RunningGateway

  before(async () => {
    folder = makeFolder()
    const socket = path.join(folder.path, 'puppet.sock')
    puppet = await startPuppetServer(socket)
    upstream = await startEffectUpstream()
    gateway = await startTestGateway({ ...tlsSettings(socket), KONG_PROXY_LISTEN: '127.0.0.1:0 ssl http2' })
    await gateway.admin('POST', '/config', tlsConfiguration(upstream.port))
  })

  after(async () => {
    await gateway.close()
    await upstream.close()
    await puppet.close()
    folder.remove()
  })

  it('in every recorded case', () => {
    assert.deepEqual(
      recorded.map(({ name }) => name),
      TLS_CASES.map(({ name }) => name),
    )
  })

  for (const [index, one] of TLS_CASES.entries())
    it(one.name, async () => {
      assert.deepEqual(await runTlsCase(one, { port: gateway.proxyPort, puppet, upstream }), recorded[index])
    })
})
