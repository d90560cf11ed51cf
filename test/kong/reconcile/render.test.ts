import assert from 'node:assert/strict'
import type { Change } from '../../../kong/reconcile/change.ts'
import { createMask, MASK } from '../../../kong/reconcile/mask.ts'
import { renderChange, renderDeletions } from '../../../kong/reconcile/render.ts'
import { createSchemas } from '../../../kong/reconcile/schemas.ts'

const schemas = createSchemas({
  kinds: new Map([
    ['plugins', { fields: [{ name: { type: 'string' } }, { config: { type: 'record', abstract: true } }] }],
    ['keyauth_credentials', { fields: [{ key: { type: 'string' } }] }],
  ]),
  plugins: {
    p: {
      fields: [
        {
          config: {
            type: 'record',
            fields: [
              { minute: { type: 'integer' } },
              {
                redis: {
                  type: 'record',
                  fields: [{ host: { type: 'string' } }, { auth: { type: 'string', encrypted: true } }],
                },
              },
            ],
          },
        },
      ],
    },
  },
  vaults: {},
})

const change = (before: object, after: object): Change => ({
  action: 'update',
  kind: 'plugins',
  id: 'x',
  label: 'plugin p',
  before: { name: 'p', config: before },
  after: { name: 'p', config: after },
  fields: ['config'],
  body: {},
  row: {},
})
const mask = createMask(schemas, ['from-environment'], () => [
  { kind: 'keyauth_credentials', fields: { key: 'planted-key' } },
])
const render = (before: object, after: object) =>
  renderChange(change(before, after), mask, { isColoured: false }).split('\n').slice(1)

describe('a change, shown', () => {
  it('names the fields that differ, and no others, whatever their order', () => {
    assert.deepEqual(
      render({ minute: 5, redis: { host: 'h', auth: 'a' } }, { redis: { auth: 'a', host: 'i' }, minute: 5 }),
      ['    config.redis.host: "h" → "i"'],
    )
  })

  it('shows that a secret changes, and not which it is', () => {
    assert.deepEqual(render({ redis: { auth: 'planted-1' } }, { redis: { auth: 'planted-2' } }), [
      `    config.redis.auth: "${MASK}" → "${MASK}"`,
    ])
  })

  it('shows a reference to a vault, which is no secret', () => {
    assert.deepEqual(render({ redis: { auth: 'planted' } }, { redis: { auth: '{vault://env/a}' } }), [
      `    config.redis.auth: "${MASK}" → "{vault://env/a}"`,
    ])
  })
})

describe('a change that cannot be undone', () => {
  it('is shown with the reason', () => {
    const deletion: Change = {
      ...change({}, {}),
      action: 'delete',
      kind: 'basicauth_credentials',
      label: 'x',
    }
    assert.equal(
      renderChange(deletion, mask, { isColoured: false }),
      '- x\n    cannot be undone: Kong keeps a hash of the password only',
    )
  })
})

describe('a text that Kong wrote', () => {
  it('shows no credential that it quotes', () => {
    assert.equal(
      mask.text(`UNIQUE violation detected on '{key="x"}' and planted-key, from-environment`),
      `UNIQUE violation detected on '{key=${MASK}}' and ${MASK}, ${MASK}`,
    )
  })
})

describe('the head of a plan', () => {
  const deletion = (label: string): Change => ({ ...change({}, {}), action: 'delete', label })

  it('names what will be deleted, and the tags by which it was found', () => {
    const changes = [deletion('service a'), change({}, {}), deletion('consumer b')]
    assert.deepEqual(renderDeletions({ changes, selectTags: ['team'] }), [
      'Deletes 2 entities with the tag team:',
      '  service a',
      '  consumer b',
    ])
    assert.deepEqual(renderDeletions({ changes: [change({}, {})], selectTags: ['team'] }), [])
  })

  it('counts what it does not name', () => {
    const changes = Array.from({ length: 12 }, (_, i) => deletion(`service ${i}`))
    const lines = renderDeletions({ changes, selectTags: ['a', 'b'] })
    assert.equal(lines[0], 'Deletes 12 entities with the tags a, b:')
    assert.equal(lines.at(-1), '  and 2 more')
  })
})
