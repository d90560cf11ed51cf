import assert from 'node:assert/strict'
import { AdminClient } from '../../../kong/admin/client.ts'
import { type RunningAdmin, startAdminServer } from '../../support/admin-server.ts'
import { type FaultyAdmin, startFaultyAdmin } from '../../support/faulty-admin.ts'
import { applyText, planText } from '../../support/reconcile.ts'

const head = '_format_version: "3.0"\n'
const EMPTY = head

/** As `GET /schemas/filter_chains` of Kong 3.9.3, without what no test needs. */
const FILTER_CHAINS = {
  fields: [
    { id: { type: 'string', uuid: true, auto: true } },
    { name: { type: 'string', unique: true } },
    { enabled: { type: 'boolean', required: true, default: true } },
    { route: { type: 'foreign', reference: 'routes', on_delete: 'cascade' } },
    { service: { type: 'foreign', reference: 'services', on_delete: 'cascade' } },
    { filters: { type: 'array', required: true, elements: { type: 'record', fields: [] } } },
    { tags: { type: 'set', elements: { type: 'string' } } },
  ],
}

describe('what a deletion would take along', () => {
  let admin: RunningAdmin
  let faults: FaultyAdmin
  let client: AdminClient
  beforeEach(async () => {
    admin = await startAdminServer()
    faults = await startFaultyAdmin(admin.url)
    client = new AdminClient({ url: faults.url })
  })
  afterEach(async () => {
    await client.close()
    await faults.close()
    await admin.close()
  })

  /** Answers some GETs as a Kong would that has more entities than the local gateway. */
  const answer = (bodies: Readonly<Record<string, unknown>>) => {
    faults.decide = (method, path) => {
      const [bare = ''] = path.split('?')
      return method === 'GET' && bare in bodies ? { status: 200, body: bodies[bare] } : 'pass'
    }
  }
  const serviceId = async () => String((await client.find('/services/s'))?.id)

  it("is refused for somebody else's filter chain, which Kong deletes with its service", async () => {
    await applyText(client, `${head}services: [{ name: s, host: h }]\n`)
    const chain = { id: 'c1', name: 'theirs', service: { id: await serviceId() }, filters: [], tags: null }
    answer({ '/filter-chains': { data: [chain] }, '/schemas/filter_chains': FILTER_CHAINS })
    await assert.rejects(planText(client, EMPTY), {
      code: 'SLUICE_APPLY_REFUSED',
      message: /^service s is to be deleted, but others' entities belong to it: filter chain c1$/,
    })
  })

  it('is deleted and put back by steps of its own when it is ours', async () => {
    await applyText(client, `${head}services: [{ name: s, host: h }]\n`)
    const service = { id: await serviceId() }
    const chain = { id: 'c1', name: null, enabled: true, service, route: null, filters: [], tags: ['sluice'] }
    answer({ '/filter-chains': { data: [chain] }, '/schemas/filter_chains': FILTER_CHAINS })
    const { steps } = await planText(client, EMPTY)
    assert.deepEqual(
      steps.map(({ change, after }) => [change.action, change.label, after]),
      [
        ['delete', 'filter chain (service s)', []],
        ['delete', 'service s', [0]],
      ],
    )
    assert.deepEqual(steps[0]?.change.before?.service, service)
  })

  it('makes a service irreversible when tokens that Kong gave out are among it', async () => {
    await applyText(client, `${head}services: [{ name: s, host: h }, { name: other, host: h }]\n`)
    const id = await serviceId()
    const application = { id: 'a1', name: 'app', client_id: 'c', client_secret: 'x', tags: ['theirs'] }
    answer({
      '/oauth2': { data: [application] },
      '/schemas/oauth2_credentials': { fields: [{ id: { type: 'string' } }, { name: { type: 'string' } }] },
      [`/services/${id}/oauth2_tokens`]: { data: [{ id: 't1' }] },
    })
    const { steps } = await planText(client, EMPTY)
    assert.deepEqual(
      steps.map(({ change, irreversible, stage }) => [change.label, irreversible, stage]),
      [
        ['service other', undefined, 0],
        ['service s', 'Kong deletes its OAuth 2 tokens along', 1],
      ],
    )
  })

  it('is not overlooked where another server answers 404 to everything', async () => {
    faults.decide = (_method, path) =>
      path.startsWith('/consumers') ? { status: 404, body: { message: 'no Route matched' } } : 'pass'
    await assert.rejects(planText(client, EMPTY), {
      code: 'SLUICE_ADMIN_WRONG',
      message: /\/consumers is not found: this is not Kong's Admin API \(its proxy, or a wrong path\?\)$/,
    })
  })
})
