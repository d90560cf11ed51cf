import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { parse } from 'yaml'
import { projectFolder } from '../../../ops/local/folders.ts'

const run = promisify(execFile)

describe('the release job', () => {
  const project = projectFolder()
  let folder: string

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'sluice-release-'))
    for (const name of [
      'package.json',
      'package-lock.json',
      'docker-compose.yml',
      'ops/build/check-release.sh',
    ])
      cpSync(path.join(project, name), path.join(folder, name))
  })
  after(() => rmSync(folder, { recursive: true }))

  const check = (version: string) => run(path.join(folder, 'ops/build/check-release.sh'), [version])
  const { version } = JSON.parse(readFileSync(path.join(project, 'package.json'), 'utf8')) as {
    version: string
  }

  it('takes a tag that everything agrees with', async () => {
    writeFileSync(path.join(folder, 'CHANGELOG.md'), `# Changelog\n\n## ${version} - 2026-01-01\n`)
    await check(version)
  })

  it('refuses any other, and names all that disagrees', async () => {
    writeFileSync(path.join(folder, 'CHANGELOG.md'), '# Changelog\n\n## Unreleased\n')
    await assert.rejects(check('99.0.0'), (error: { stderr: string }) => {
      for (const name of ['package.json', 'package-lock.json', 'docker-compose.yml', 'CHANGELOG.md'])
        assert.match(error.stderr, new RegExp(`^${name} `, 'm'))
      return true
    })
  })

  it('runs no action but at a commit that is named, with its version', () => {
    const text = readFileSync(path.join(project, '.github/workflows/ci.yml'), 'utf8')
    const used = [...text.matchAll(/uses: (.*)$/gm)].map(([, name]) => String(name))
    assert.ok(used.length > 10)
    for (const name of used) assert.match(name, /^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
  })

  it('has a job a sample service, whose tests are all that there are', () => {
    const workflow = parse(readFileSync(path.join(project, '.github/workflows/ci.yml'), 'utf8'))
    const jobs = workflow.jobs.services.strategy.matrix.include as { service: string; tests: string }[]
    assert.deepEqual(
      jobs.map(({ service }) => service),
      ['dictionary', 'users', 'products', 'frontend'],
    )
    const tested = jobs.flatMap(({ tests }) => tests.replace(/[{}]/g, '').split(','))
    const files = readdirSync(path.join(project, 'test/flask-sample')).filter(name =>
      name.endsWith('.test.ts'),
    )
    assert.deepEqual(tested.sort(), files.map(name => name.replace('.test.ts', '')).sort())
  })

  it('publishes an image for both kinds of machine, after all that can fail', () => {
    const workflow = parse(readFileSync(path.join(project, '.github/workflows/ci.yml'), 'utf8'))
    const { publish, ...others } = workflow.jobs
    assert.deepEqual(publish.needs.sort(), Object.keys(others).sort())
    const image = publish.steps.find((step: { uses?: string }) =>
      step.uses?.startsWith('docker/build-push-action'),
    )
    assert.equal(image.with.platforms, 'linux/amd64,linux/arm64')
  })
})
