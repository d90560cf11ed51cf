import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { AdminClient } from '../../../kong/admin/client.ts'
import { dumpState } from '../../../kong/reconcile/dump.ts'
import { readState } from '../../../kong/reconcile/read.ts'
import { startAdminServer } from '../../support/admin-server.ts'
import { randomState, STATES } from '../../support/random-state.ts'
import { applyText, planText } from '../../support/reconcile.ts'

async function withAdmin(work: (client: AdminClient) => Promise<void>): Promise<void> {
  const admin = await startAdminServer()
  const client = new AdminClient({ url: admin.url })
  try {
    await work(client)
  } finally {
    await client.close()
    await admin.close()
  }
}

const dump = async (client: AdminClient, withSecrets: boolean, selectTags = ['sluice']) =>
  dumpState(await readState(client, { plugins: [], vaults: [] }), { selectTags, withSecrets })

describe('a dump of the state', () => {
  const STATE = `
_format_version: "3.0"
services:
- name: s
  host: h
  routes:
  - name: r
    paths: [/a]
    plugins: [{ name: key-auth, config: { hide_credentials: true } }]
consumers:
- username: eddie
  keyauth_credentials: [{ key: planted-1 }, { key: planted-2 }]
  basicauth_credentials: [{ username: e, password: planted-3 }]
plugins:
- { name: correlation-id, service: s, route: r }
`

  it('says no more than what differs from the defaults, and refers to secrets', async () => {
    await withAdmin(async client => {
      await applyText(client, STATE)
      const { yaml, variables } = await dump(client, false)
      assert.equal(
        yaml,
        `_format_version: "3.0"
_info:
  select_tags:
    - sluice
services:
  - name: s
    host: h
    routes:
      - name: r
        paths:
          - /a
        plugins:
          - name: key-auth
            config:
              hide_credentials: true
consumers:
  - username: eddie
    keyauth_credentials:
      - key: \${{ env "DECK_EDDIE_KEYAUTH_KEY" }}
      - key: \${{ env "DECK_EDDIE_KEYAUTH_KEY_2" }}
    basicauth_credentials:
      - username: e
        password: \${{ env "DECK_EDDIE_BASICAUTH_PASSWORD" }}
plugins:
  - name: correlation-id
    route: r
    service: s
`,
      )
      const env = Object.fromEntries(variables.map((name, i) => [name, `planted-${i + 1}`]))
      assert.deepEqual((await planText(client, yaml, env)).changes, [])
    })
  })

  it('quotes text that others would take for something else', async () => {
    await withAdmin(async client => {
      await applyText(
        client,
        '_format_version: "3.0"\nconsumers: [{ username: "off" }, { username: "012" }]\n',
      )
      const { yaml } = await dump(client, false)
      assert.match(yaml, /username: "off"/)
      assert.match(yaml, /username: "012"/)
    })
  })

  it('leaves out what bears no select tag', async () => {
    await withAdmin(async client => {
      await client.request('POST', '/services', { name: 'theirs', host: 'h' })
      assert.equal((await dump(client, true)).yaml.includes('theirs'), false)
      assert.equal((await dump(client, true, [])).yaml.includes('theirs'), true)
    })
  })

  it('of any state is a declaration of that state', async () => {
    await fc.assert(
      fc.asyncProperty(randomState('o'), async ({ yaml }) =>
        withAdmin(async client => {
          await applyText(client, yaml)
          const { yaml: dumped, variables } = await dump(client, true)
          // Of passwords Kong keeps a hash: they are the one thing that a dump can't hold.
          const env = Object.fromEntries(variables.map(name => [name, 'other']))
          const { changes } = await planText(client, dumped, env)
          assert.ok(
            changes.every(
              ({ kind, fields }) => kind === 'basicauth_credentials' && fields.join() === 'password',
            ),
            dumped,
          )
        }),
      ),
      { numRuns: STATES },
    )
  }).timeout(60_000)
})
