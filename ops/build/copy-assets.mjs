// tsc copies no files but its own: Lua, SQL, JSON and HTML that the code reads at run time are copied to dist/ here.
import { cpSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const ROOTS = ['plugins', 'events', 'kong', 'management', 'cli', 'ops', 'test', 'bench']
const ASSET = /\.(lua|sql|json|jsonl|html|css|proto|yaml|tmpl|sh)$/

function copy(folder) {
  for (const name of readdirSync(folder)) {
    const from = path.join(folder, name)
    if (statSync(from).isDirectory()) copy(from)
    else if (ASSET.test(name)) {
      const to = path.join('dist', from)
      mkdirSync(path.dirname(to), { recursive: true })
      cpSync(from, to)
    }
  }
}
for (const root of ROOTS) if (existsSync(root)) copy(root)

await import('./bundle-packages.mjs')

// Each plugin once more as a module for Kong's own JavaScript plugin server, which wants CommonJS and one file a plugin;
// but for those that need more of the plugin server than it has.
const NOT_OFFERED = ['upstream-token', 'response-cache', 'aggregate']
mkdirSync('dist/kong-js', { recursive: true })
for (const name of readdirSync('plugins')) {
  if (NOT_OFFERED.includes(name) || !existsSync(`plugins/${name}/plugin.ts`)) continue
  const text = [
    `const { toKongJsModule } = require('../plugin-server/kong-js/adapter.js')`,
    `module.exports = toKongJsModule(require('../plugins/${name}/plugin.js').plugin)`,
  ]
  writeFileSync(`dist/kong-js/${name}.cjs`, `${text.join('\n')}\n`)
}
