import assert from 'node:assert/strict'
import { migrateDeclaration, migratePath } from '../../../../kong/gateway/state/migrate.ts'

describe('a declaration of an older format', () => {
  const PATHS: readonly (readonly [old: string, now: string])[] = [
    ['/plain', '/plain'],
    ['/dot.html', '/dot.html'],
    ['/a%20b', '/a b'],
    ['/%2E%2e/x', '/x'],
    ['/a%2fb', '/a%2Fb'],
    ['/rx/\\d+', '~/rx/\\d+'],
    ['/star*', '~/star*'],
    ['/a%2Eb(c)', '~/a\\.b(c)'],
    ['/a%2fb(c)', '~/a%2Fb(c)'],
    ['~/tilde/\\d+', '~~/tilde/\\d+'],
  ]
  for (const [old, now] of PATHS) it(`has ${now} for ${old}`, () => assert.equal(migratePath(old), now))

  it('is changed at the top and within services only, and not in the newest format', () => {
    const routes = [{ paths: ['/x(y)'] }, 'no route', { paths: null }]
    const tree = { _format_version: '1.1', routes, services: [{ routes }, 5], consumers: [{ routes }] }
    const changed = [{ paths: ['~/x(y)'] }, 'no route', { paths: null }]
    assert.deepEqual(migrateDeclaration(tree), {
      _format_version: '3.0',
      routes: changed,
      services: [{ routes: changed }, 5],
      consumers: [{ routes }],
    })
    const newest = { ...tree, _format_version: '3.0' }
    assert.equal(migrateDeclaration(newest), newest)
  })
})
