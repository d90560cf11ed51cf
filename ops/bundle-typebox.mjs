// Replaces dist/plugin-server/typebox.js by one file with all that it re-exports: 30 ms to load instead of 200, and
// 19 MB less memory. The declarations stay as they are.
import { readFileSync } from 'node:fs'
import { build } from 'esbuild'

const FILE = 'dist/plugin-server/typebox.js'

// tsc leaves the file alone while its source does not change, so it may be the bundle already.
if (/^export \{.*\} from 'typebox'/m.test(readFileSync(FILE, 'utf8')))
  await build({
    entryPoints: [FILE],
    outfile: FILE,
    allowOverwrite: true,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'inline',
    logLevel: 'error',
  })
