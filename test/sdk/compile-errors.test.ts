import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { promisify } from 'node:util'
import { makeFolder } from '../support/folder.ts'

const ROOT = path.resolve(import.meta.dirname, '../../..')
const TSC = path.join(
  path.dirname(createRequire(import.meta.url).resolve('typescript/package.json')),
  'bin/tsc',
)

const PLUGIN = `
import { definePlugin, Type } from '${ROOT}/dist/sdk/sdk.js'
export const plugin = definePlugin({
  name: 'x', version: '1.0.0', priority: 1, config: Type.Object({}),
  phases: {
    access(kong) {
      kong.nope
      kong.response.getStatus()
      kong.response.exit('403')
    },
    rewrite(kong) { kong.router },
    log(kong) { kong.service },
  },
})
`

describe('what the compiler says about a call that a phase does not have', function () {
  this.timeout(60_000)

  it('names the phase and the namespace', async () => {
    const folder = makeFolder()
    writeFileSync(path.join(folder.path, 'plugin.ts'), PLUGIN)
    symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder.path, 'node_modules'))
    const flags = '--noEmit --strict --skipLibCheck --module nodenext --target es2022 --types node plugin.ts'
    const { stdout } = await promisify(execFile)(process.execPath, [TSC, ...flags.split(' ')], {
      cwd: folder.path,
    }).catch((failed: { stdout: string }) => failed)
    folder.remove()
    assert.deepEqual(
      stdout
        .split('\n')
        .filter(line => line.startsWith('plugin.ts'))
        .map(line => line.replace(/^.*?: error \w+: /, '')),
      [
        "Property 'nope' does not exist on type 'AccessKong'.",
        `Property 'getStatus' does not exist on type 'NamespaceOf<"access", "response">'. Did you mean 'setStatus'?`,
        "Argument of type 'string' is not assignable to parameter of type 'number'.",
        "Property 'router' does not exist on type 'RewriteKong'.",
        "Property 'service' does not exist on type 'LogKong'.",
      ],
    )
  })
})
