import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { makeFolder } from './support/folder.ts'

const ROOT = path.resolve(import.meta.dirname, '..', '..')
const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(path.join(ROOT, 'docs'))
    .filter(name => name.endsWith('.md'))
    .map(name => `docs/${name}`),
]

/** What the page around a fragment has said before. */
const FRAGMENTS: readonly (readonly [begin: RegExp, whole: (text: string) => string])[] = [
  [/^import /, text => text],
  [
    /^settings: /,
    text => `import { definePlugin, Type } from 'sluice'
export const plugin = definePlugin({ name: 'p', version: '1', priority: 1, config: Type.Object({}), phases: {},
${text}})`,
  ],
  [
    /startHarness/,
    text => `import { startHarness } from 'sluice/testing'
import { plugin } from './greeter.ts'
${text}`,
  ],
  [
    /^(log\.|const \{ status)/,
    text => `import { definePlugin, Type } from 'sluice'
export const plugin = definePlugin({ name: 'p', version: '1', priority: 1, config: Type.Object({ limit: Type.Number() }),
phases: { async access(kong, { log, config: { limit } }) {
${text}
} } })`,
  ],
]

const examplesOf = (page: string) =>
  [...readFileSync(path.join(ROOT, page), 'utf8').matchAll(/^```ts\n(.*?)^```/gms)].map(
    ([, text = '']) => text,
  )

describe('the examples of the pages', function () {
  this.timeout(300_000)
  it('compile, each with what its page has said before', () => {
    const folder = makeFolder()
    const examples = PAGES.flatMap(page => examplesOf(page).map(text => ({ page, text })))
    assert.ok(examples.length >= 7, `${examples.length} examples`)
    for (const [i, { page, text }] of examples.entries()) {
      const whole = FRAGMENTS.find(([begin]) => begin.test(text))?.[1]
      assert.ok(whole, `${page} has an example that this test cannot complete:\n${text}`)
      writeFileSync(path.join(folder.path, `${i}-${path.basename(page, '.md')}.ts`), whole(text))
    }
    const [greeter = ''] = examplesOf('docs/plugins.md')
    writeFileSync(path.join(folder.path, 'greeter.ts'), greeter)
    const compilerOptions = {
      strict: true,
      noEmit: true,
      target: 'es2023',
      module: 'nodenext',
      allowImportingTsExtensions: true,
      skipLibCheck: true,
      types: ['node'],
      typeRoots: [path.join(ROOT, 'node_modules/@types')],
      paths: {
        sluice: [path.join(ROOT, 'dist/sdk/sdk.d.ts')],
        'sluice/testing': [path.join(ROOT, 'dist/testing/harness.d.ts')],
      },
    }
    writeFileSync(path.join(folder.path, 'package.json'), '{"type":"module"}')
    writeFileSync(path.join(folder.path, 'tsconfig.json'), JSON.stringify({ compilerOptions }))
    const tsc = path.join(ROOT, 'node_modules/.bin/tsc')
    const { status, stdout } = spawnSync(tsc, ['-p', folder.path], { encoding: 'utf8' })
    folder.remove()
    assert.equal(status, 0, stdout)
  })
})
