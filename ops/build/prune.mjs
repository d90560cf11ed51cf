// tsc leaves what it compiled from a source that has gone: an old test would run on, an old module would be packed.
import { existsSync, readdirSync, rmSync } from 'node:fs'
import path from 'node:path'

const SOURCE_OF = [
  [/\.d\.ts$/, '.ts'],
  [/\.js(\.map)?$/, '.ts'],
]

for (const entry of readdirSync('dist', { recursive: true, withFileTypes: true })) {
  const file = path.relative('dist', path.join(entry.parentPath, entry.name))
  // kong-js and the dashboard's site are generated, and .tsbuildinfo is tsc's own.
  if (!entry.isFile() || !file.includes(path.sep) || /^(kong-js|dashboard.site)/.test(file)) continue
  const [pattern, extension] = SOURCE_OF.find(([pattern]) => pattern.test(file)) ?? []
  const source = pattern ? file.replace(pattern, extension) : file
  if (!existsSync(source) && !existsSync(file)) rmSync(path.join('dist', file))
}
