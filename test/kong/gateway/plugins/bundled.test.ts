import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { BUNDLED_PLUGINS } from '../../../../kong/gateway/plugins/bundled.ts'

const textOf = (page: string) => readFileSync(new URL(`../../../../../${page}`, import.meta.url), 'utf8')

describe('the bundled plugins', () => {
  it('are the 45 of Kong 3.9', () => {
    assert.equal(Object.keys(BUNDLED_PLUGINS).length, 45)
  })
})

describe('the bundled plugins that the gateway runs', () => {
  const run = Object.values(BUNDLED_PLUGINS)
    .filter(({ runs }) => runs)
    .map(({ name }) => name)

  it('are those that docs/local-gateway.md names, and as many as it and the changelog count', () => {
    const page = textOf('docs/local-gateway.md')
    const [, named = ''] = /The gateway runs (.*?)\. \*\*/.exec(page) ?? []
    assert.deepEqual(named.split(/, | and /), run)
    const count = new RegExp(`\\b${run.length} of Kong's plugins\\b`)
    assert.match(page, count)
    assert.match(textOf('CHANGELOG.md'), count)
  })
})
