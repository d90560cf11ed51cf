import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { settingsTable } from '../../foundation/settings-reference.ts'

const PAGE = new URL('../../../docs/settings.md', import.meta.url)
const TABLE = /(<!-- table: [^>]*-->\n)[\s\S]*?(<!-- end of table -->)/

describe('the reference of settings', () => {
  it('is up to date (else: UPDATE_DOCS=1 npx mocha dist/test/foundation/settings-reference.test.js)', () => {
    const page = readFileSync(PAGE, 'utf8')
    const wanted = page.replace(
      TABLE,
      (_, head: string, tail: string) => `${head}${settingsTable()}\n${tail}`,
    )
    if (process.env.UPDATE_DOCS) writeFileSync(PAGE, wanted)
    else assert.equal(page, wanted)
  })
})
