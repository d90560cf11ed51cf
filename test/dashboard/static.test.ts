import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'

const SITE = path.resolve(import.meta.dirname, '../../dashboard/site')
const MOST_BYTES = 60 * 1024

describe("the dashboard's files", () => {
  const files = readdirSync(path.join(SITE, 'assets'))

  it('are at most 60 KiB of script and style, compressed', () => {
    const bytes = files.map(
      file => gzipSync(readFileSync(path.join(SITE, 'assets', file)), { level: 9 }).length,
    )
    const sum = bytes.reduce((a, b) => a + b, 0)
    assert.ok(files.length >= 3 && sum <= MOST_BYTES, `${sum} bytes`)
  })

  it('hold no script or style in the page itself, and name no other host', () => {
    const page = readFileSync(path.join(SITE, 'index.html'), 'utf8')
    assert.doesNotMatch(page, /<script(?![^>]*src=)|<style| style=| on\w+=/)
    const hosts = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, to = '']) => to)
    assert.ok(
      hosts.every(to => to.startsWith('/assets/') || to.startsWith('data:')),
      hosts.join(),
    )
  })
})
