// tsc copies no files but its own: Lua, SQL, JSON and HTML that the code reads at run time are copied to dist/ here.
import { cpSync, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'

const ROOTS = ['plugins', 'plugin-server', 'events', 'kong', 'cli', 'ops', 'test', 'bench']
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
