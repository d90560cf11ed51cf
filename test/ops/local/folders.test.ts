import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { copyOpen, isOpen, openFolder } from '../../../ops/local/folders.ts'
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

  it('is a copy that can be read, of one that cannot', () => {
    process.umask(0o077)
    const [closed, copy] = ['original', 'copy'].map(name => path.join(parent.path, name)) as [string, string]
    mkdirSync(path.join(closed, 'package'), { recursive: true })
    writeFileSync(path.join(closed, 'package', 'file'), '')
    copyOpen(closed, copy)
    const modes = ['', 'package', 'package/file'].map(name => statSync(path.join(copy, name)).mode & 0o777)
    assert.deepEqual(modes, [0o755, 0o755, 0o644])
  })
})
