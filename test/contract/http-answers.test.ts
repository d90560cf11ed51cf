/**
 * What a client gets, and what the upstream is asked, byte for byte as a real Kong 3.9.3 did it
 * (`kong-http/answers.json`). To record anew: a Kong without a database and with `kong-http/kong.yaml`, its two ports
 * filled in, and `SLUICE_TEST_RECORD_HTTP=<proxy port>:<upstream port>`.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { echoRequest } from '../support/echo-upstream.ts'
import { makeFolder, type TestFolder } from '../support/folder.ts'
import { type RunningGateway, startTestGateway } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { askRaw, type Ports, type RawAnswer } from '../support/raw-answer.ts'
import { startUpstream, type TestUpstream } from '../support/upstream.ts'
import { CASES } from './kong-http/cases.ts'

const FOLDER = path.resolve(import.meta.dirname, '../../../test/contract/kong-http')
const ANSWERS = path.join(FOLDER, 'answers.json')
const recording = process.env.SLUICE_TEST_RECORD_HTTP?.split(':').map(Number)

type Recorded = Record<string, Record<string, RawAnswer>>

describe('HTTP as a recorded Kong speaks it', () => {
  let ports: Ports
  let gateway: RunningGateway | undefined
  let upstream: TestUpstream
  let folder: TestFolder
  const recorded: Recorded = recording ? {} : (JSON.parse(readFileSync(ANSWERS, 'utf8')) as Recorded)

  before(async () => {
    folder = makeFolder()
    upstream = await startUpstream(echoRequest, { port: recording?.[1] })
    ports = { proxy: recording?.[0] ?? (await freePort()), upstream: upstream.port }
    if (recording) return
    const file = path.join(folder.path, 'kong.yaml')
    const text = readFileSync(path.join(FOLDER, 'kong.yaml'), 'utf8')
    writeFileSync(
      file,
      text.replaceAll('{{proxy}}', String(ports.proxy)).replaceAll('{{upstream}}', String(ports.upstream)),
    )
    gateway = await startTestGateway({
      KONG_DATABASE: 'off',
      KONG_DECLARATIVE_CONFIG: file,
      KONG_PROXY_LISTEN: `127.0.0.1:${ports.proxy}`,
    })
  })
  after(async () => {
    if (recording) writeFileSync(ANSWERS, `${JSON.stringify(recorded, null, 1)}\n`)
    await gateway?.close()
    await upstream.close()
    folder.remove()
  })

  for (const [group, cases] of Object.entries(CASES))
    it(`in ${group} (${Object.keys(cases).length})`, async () => {
      const found = await Promise.all(
        Object.entries(cases).map(async ([name, request]) => [name, await askRaw(ports, request)] as const),
      )
      if (recording) recorded[group] = Object.fromEntries(found)
      else assert.deepEqual(Object.fromEntries(found), recorded[group])
    })
})
