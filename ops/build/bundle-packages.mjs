// Puts packages of many small modules into the one file of dist/ that imports them: opening and compiling their files
// was most of a start. Imports of our own stay as they are, so that there is one copy of each of our modules.
import { readFileSync } from 'node:fs'
import { build } from 'esbuild'

const FILES = [
  'dist/foundation/typebox.js', // about 700 modules
  'dist/foundation/metrics.js', // prom-client, which brings @opentelemetry/api: about 100
  'dist/foundation/log.js', // pino: about 40
  'dist/foundation/undici.js', // about 130
  'dist/foundation/yaml.js', // about 80
  'dist/plugin-server/stores/ioredis.js', // about 90
]

const OWN_IMPORTS_STAY = {
  name: 'own-imports-stay',
  setup(build) {
    build.onResolve({ filter: /^\./ }, ({ path, importer }) =>
      FILES.some(file => importer.endsWith(file)) ? { path, external: true } : undefined,
    )
  },
}

// CommonJS asks for Node's own modules by `require`, which a module of ours lacks.
const REQUIRE = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`

// tsc leaves a file alone while its source does not change, so it may be a bundle already.
const namesPackage = text => /^(import|export) .* from '(?!\.|node:)/m.test(text)

for (const file of FILES.filter(file => namesPackage(readFileSync(file, 'utf8'))))
  await build({
    entryPoints: [file],
    outfile: file,
    allowOverwrite: true,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    banner: { js: REQUIRE },
    plugins: [OWN_IMPORTS_STAY],
    // With --enable-source-maps Node reads a map whenever it loads the file, so it should be small.
    sourcemap: true,
    sourcesContent: false,
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'inline',
    logLevel: 'error',
  })
