import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { consul } from '../../../../ops/local/consul.ts'
import { cacheFolder, projectFolder } from '../../../../ops/local/folders.ts'
import { findPrograms } from '../../../../ops/local/installation.ts'
import { freePorts } from '../../../../ops/local/ports.ts'
import { postgres } from '../../../../ops/local/postgres.ts'
import { rabbit } from '../../../../ops/local/rabbit.ts'
import { redis } from '../../../../ops/local/redis.ts'
import { obtainSample } from '../../../../ops/local/sample.ts'
import { PORTS } from '../../../../ops/local/up/ports.ts'
import { openTerminal } from '../../../support/terminal.ts'

const run = promisify(execFile)

/** A clone whose cache has Python's packages and no service, so that there is something to ask about. */
async function freshClone(): Promise<string> {
  await obtainSample({})
  const project = projectFolder()
  const clone = mkdtempSync(path.join(tmpdir(), 'sluice-clone-'))
  chmodSync(clone, 0o755)
  for (const name of ['package.json', 'flask-sample', 'kong/desired'])
    cpSync(path.join(project, name), path.join(clone, name), { recursive: true })
  const compiled = path.join(project, 'dist')
  cpSync(compiled, path.join(clone, 'dist'), {
    recursive: true,
    filter: file => !['test', 'bench'].includes(path.relative(compiled, file)),
  })
  symlinkSync(path.join(project, 'node_modules'), path.join(clone, 'node_modules'))
  const cache = path.join(clone, '.sluice', 'cache')
  mkdirSync(cache, { recursive: true })
  for (const name of readdirSync(cacheFolder()).filter(name => /^(venv|python|flask)/.test(name)))
    symlinkSync(path.join(cacheFolder(), name), path.join(cache, name))
  return clone
}

describe('make up on a terminal where no is answered', function () {
  this.timeout(300_000)

  it('fetches nothing, and goes on without what is missing', async () => {
    const clone = await freshClone()
    const program = path.join(clone, 'dist/ops/local/up/up.js')
    const ports = await freePorts(Object.keys(PORTS).length)
    const { CI: _, SLUICE_YES: __, SLUICE_UP_FOLDER: ___, ...rest } = process.env
    const env = {
      ...rest,
      // Where an engine answers, nothing is asked.
      DOCKER_HOST: `unix://${clone}/no-engine`,
      ...Object.fromEntries(Object.values(PORTS).map(({ env }, index) => [env, String(ports[index])])),
    }
    const services = { Redis: redis, PostgreSQL: postgres, RabbitMQ: rabbit, Consul: consul }
    const missing = Object.entries(services).filter(([, { source }]) => !findPrograms(source))
    const terminal = openTerminal([process.execPath, program, 'up'], env)
    try {
      for (const [, { source }] of missing) {
        await terminal.shows(`Fetch the Debian packages ${source.packages[0]}`)
        await terminal.shows('[Y/n]')
        terminal.type('n\r')
      }
      assert.equal(await terminal.ended(), 0, terminal.screen())
      for (const [name, { source }] of missing) {
        assert.match(terminal.screen(), new RegExp(`missing +${name} is unavailable`))
        assert.ok(!existsSync(path.join(clone, '.sluice/cache', source.packages[0]!)), name)
      }
      assert.match(terminal.screen(), /Sluice is up/)
    } finally {
      await run(process.execPath, [program, 'down'], { env })
      rmSync(clone, { recursive: true })
    }
  })
})
