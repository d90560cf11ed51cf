import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { isOpen, openFolder } from '../../../ops/local/folders.ts'
import { makeFolder } from '../../support/folder.ts'

describe("a folder for the services' user", () => {
  const parent = makeFolder()
  const before = process.umask()
  after(() => {
    process.umask(before)
    parent.remove()
  })

  it('can be entered under any umask, also where the one above cannot', () => {
    process.umask(0o077)
    const closed = path.join(parent.path, 'closed')
    mkdirSync(closed)
    chmodSync(closed, 0o700)
    const folder = openFolder(path.join(closed, 'data'))
    try {
      assert.ok(isOpen(folder), folder)
    } finally {
      // Where this is root it stands elsewhere.
      if (!folder.startsWith(closed)) rmSync(path.dirname(folder), { recursive: true })
    }
  })
})
