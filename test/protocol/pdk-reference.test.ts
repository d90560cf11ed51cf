import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pdkTable } from '../../protocol/pdk/reference.ts'

const ROOT = path.resolve(import.meta.dirname, '../../..')
const PAGE = path.join(ROOT, 'docs/pdk.md')
const MARKS = /(<!-- table of calls, made by [^>]* -->\n)[\s\S]*(\n<!-- end of table -->)/

describe('the reference of the PDK', () => {
  it('is up to date (else: UPDATE_DOCS=1 npx mocha dist/test/protocol/pdk-reference.test.js)', () => {
    const table = pdkTable(name => readFileSync(path.join(ROOT, 'protocol/pdk', `${name}.ts`), 'utf8'))
    const page = readFileSync(PAGE, 'utf8')
    const expected = page.replace(MARKS, (_, begin: string, end: string) => `${begin}${table}${end}`)
    if (process.env.UPDATE_DOCS) writeFileSync(PAGE, expected)
    else assert.equal(page, expected)
  })
})
