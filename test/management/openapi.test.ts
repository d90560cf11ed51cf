import assert from 'node:assert/strict'
import { Validator } from '@seriousme/openapi-schema-validator'
import { KIND_NAMES, KINDS as KIND_VIEWS } from '../../kong/reconcile/kinds.ts'
import { type RunningAdmin, startAdminServer } from '../support/admin-server.ts'
import { type RunningManager, startFilledManager, wholeEnvironment } from '../support/manager.ts'
import { runSchemathesis, SCHEMATHESIS_MS } from '../support/schemathesis.ts'
import { START_MS } from '../support/services.ts'

/**
 * What schemathesis leaves alone: the streams, which do not end; sessions, operators and tokens, where it would end
 * its own; the observations, which answer 503 as documented.
 */
const EXCEPT = 'events|session|sessions|operators|tokens|me'
/** All kinds have the same code: the short form takes some of them. */
const KINDS = ['services', 'plugins', 'key-auths', 'targets']
const others = KIND_NAMES.map(name => KIND_VIEWS[name].path).filter(path => !KINDS.includes(path))
const isLong = process.env.SLUICE_TEST_SCHEMATHESIS_EXAMPLES !== undefined
const EXCEPT_PATHS = `^/(v1/(${[EXCEPT, ...(isLong ? [] : others)].join('|')})(/|$)|healthz|readyz|metrics)`

describe("the manager's OpenAPI document", function () {
  this.timeout(SCHEMATHESIS_MS)
  let kong: RunningAdmin
  let manager: RunningManager
  before(async function () {
    this.timeout(START_MS)
    kong = await startAdminServer()
    manager = await startFilledManager(await wholeEnvironment(kong.url))
  })
  after(async () => {
    await manager?.close()
    await kong?.close()
  })

  it('is valid OpenAPI 3.1', async () => {
    const { body } = await manager.call('GET', '/v1/openapi.json')
    const { valid, errors } = await new Validator().validate(body)
    assert.ok(valid, JSON.stringify(errors, undefined, 1))
    assert.ok(Object.keys(body.paths).length > 40)
    assert.equal(JSON.stringify(body).includes('def-0'), false)
  })

  it('is what the manager does, by schemathesis', async () => {
    const { failed, output } = await runSchemathesis(`${manager.url}/v1/openapi.json`, {
      headers: { Authorization: `Bearer ${manager.tokens.admin}` },
      exceptPaths: EXCEPT_PATHS,
      without: [
        // What an entity may be, only Kong's schemas and its present state say.
        'positive_data_acceptance',
        // It sends a method that this Node.js does not know, whose parser answers 400 before Fastify is asked.
        'unsupported_method',
      ],
    })
    assert.ok(!failed, output)
    const [, tested] = /^ {2}Tested: (\d+)$/m.exec(output) ?? []
    assert.ok(Number(tested) > 30, output)
  })
})
