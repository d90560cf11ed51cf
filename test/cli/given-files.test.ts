import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { command as events } from '../../cli/commands/events.ts'
import { command as newPlugin } from '../../cli/commands/new.ts'
import { command as plan } from '../../cli/commands/plan.ts'
import { command as stateSchema } from '../../cli/commands/state-schema.ts'
import { command as token } from '../../cli/commands/token.ts'
import { command as validate } from '../../cli/commands/validate.ts'
import { writeGivenFile } from '../../cli/wiring/given-files.ts'
import { readState } from '../../cli/wiring/state-files.ts'
import { SluiceError } from '../../foundation/errors.ts'
import { makeFolder, type TestFolder } from '../support/folder.ts'

const SLUICE = path.resolve(import.meta.dirname, '..', '..', 'cli', 'sluice.js')

describe('a file that an option names', () => {
  let folder: TestFolder
  const at = (...names: readonly string[]) => path.join(folder.path, ...names)
  before(() => {
    folder = makeFolder()
    mkdirSync(at('folder'))
    writeFileSync(at('file'), 'x')
    writeFileSync(at('kong.yaml'), '_format_version: "3.0"\n')
  })
  after(() => folder.remove())

  /** The error's message, with paths relative to the test's folder. */
  async function refused(command: Command, ...args: readonly string[]): Promise<string> {
    const error = await command.parseAsync(args, { from: 'user' }).then(
      () => assert.fail('it was accepted'),
      (reason: unknown) => reason,
    )
    assert.ok(error instanceof SluiceError, String(error))
    assert.equal(error.code, 'SLUICE_CLI_FILE', error.message)
    return error.message.replaceAll(`${folder.path}/`, '')
  }

  it('to write is refused with option, path and reason where it cannot be written', async () => {
    assert.equal(
      await refused(stateSchema, '-o', at('folder')),
      '--output: cannot write folder: it is a folder',
    )
    assert.equal(
      await refused(stateSchema, '-o', at('none', 'x')),
      '--output: cannot write none/x: there is no folder none',
    )
    assert.equal(
      await refused(stateSchema, '-o', at('file', 'x')),
      '--output: cannot write file/x: a part of its path is a file, not a folder',
    )
    assert.match(await refused(token, 'rotate', '--dir', at('file')), /^--dir: cannot write file: /)
    assert.match(
      await refused(newPlugin, 'mine', '--folder', at('file', 'x')),
      /^--folder: cannot write file\/x: /,
    )
    assert.match(await refused(events, 'types', '--update', at('file')), /^--update: file: the page lacks/)
  })

  it('is refused by the whole program in two lines, with exit status 1', () => {
    const { status, stderr } = spawnSync(process.execPath, [SLUICE, 'dump', '--out', at('file')], {
      encoding: 'utf8',
    })
    assert.equal(status, 1)
    assert.match(
      stderr,
      /^sluice: --out: cannot write .*file: it is there already, and not a folder\n {2}SLUICE_CLI_FILE: .*\n$/,
    )
  })

  it('to read is refused with option, path and reason where it cannot be read', async () => {
    assert.equal(
      await refused(events, 'types', '--update', at('none')),
      '--update: cannot read none: it does not exist',
    )
    assert.match(
      await refused(events, 'verify', '--checkpoints', at('folder')),
      /^--checkpoints: .*it is a folder$/,
    )
    assert.equal(await refused(validate, '-f', at('none')), '--file: cannot read none: it does not exist')
    assert.match(await refused(validate, '-f', at('folder')), /^--file: folder holds no \.yaml/)
  })

  it('to read is refused with option and path where it holds something else', async () => {
    const kong = ['-f', at('kong.yaml'), '--wait', '0', '--admin-url', 'https://127.0.0.1:1']
    assert.match(
      await refused(plan, ...kong, '--ca-cert', at('file')),
      /^--ca-cert: file is not the PEM file/,
    )
  })

  it('keeps the mode that it is made with', () => {
    writeGivenFile('--output', at('secret'), 'x', 0o600)
    assert.equal(statSync(at('secret')).mode & 0o777, 0o600)
  })
})

describe('a folder of declared state', () => {
  it('is refused where it holds more than 1,000 files, such as the root of a disk', async () => {
    const folder = makeFolder()
    for (let i = 0; i <= 1_000; i++) writeFileSync(path.join(folder.path, `${i}.yaml`), '')
    try {
      await assert.rejects(
        validate.parseAsync(['-f', folder.path], { from: 'user' }),
        /holds more than 1000 state files/,
      )
    } finally {
      folder.remove()
    }
  })

  it('may be a ConfigMap that Kubernetes mounted: links to files of a hidden folder', async () => {
    const folder = makeFolder()
    const at = (...names: readonly string[]) => path.join(folder.path, ...names)
    try {
      mkdirSync(at('..2026_11_29'))
      writeFileSync(
        at('..2026_11_29', 'kong.yaml'),
        '_format_version: "3.0"\nservices: [{ name: s, host: h }]\n',
      )
      symlinkSync('..2026_11_29', at('..data'))
      symlinkSync(path.join('..data', 'kong.yaml'), at('kong.yaml'))
      const { entities, problems } = await readState({ file: [folder.path] })
      assert.deepEqual(
        [entities.map(({ source }) => path.basename(source.file)), problems],
        [['kong.yaml'], []],
      )
      symlinkSync('gone', at('link.yaml'))
      await assert.rejects(
        readState({ file: [folder.path] }),
        /--file: cannot read .*link\.yaml: it does not exist/,
      )
    } finally {
      folder.remove()
    }
  })
})
