// Bundles the dashboard into dist/dashboard/site: one script and what it loads later, one style, and the page.
// Names hold a digest of the content, so that browsers may keep the files for ever.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { build } from 'esbuild'

const SITE = 'dist/dashboard/site'

rmSync(SITE, { recursive: true, force: true })
const { metafile } = await build({
  entryPoints: ['dashboard/main.tsx', 'dashboard/style.css'],
  outdir: `${SITE}/assets`,
  entryNames: '[name]-[hash]',
  chunkNames: 'part-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'browser',
  target: ['chrome120', 'firefox121', 'safari17'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  minify: true,
  legalComments: 'none',
  metafile: true,
  logLevel: 'error',
})

const builtFrom = entry => {
  const [file] = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint === entry) ?? []
  return path.basename(file)
}
mkdirSync(SITE, { recursive: true })
writeFileSync(
  `${SITE}/index.html`,
  readFileSync('dashboard/index.html', 'utf8')
    .replace('/assets/STYLE', `/assets/${builtFrom('dashboard/style.css')}`)
    .replace('/assets/SCRIPT', `/assets/${builtFrom('dashboard/main.tsx')}`),
)
