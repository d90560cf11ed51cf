import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import { parse } from 'yaml'
import { kongSettings } from '../../../cli/commands/kong-conf.ts'
import { SETTINGS } from '../../../foundation/settings.ts'
import { loadShippedPlugins } from '../../../plugin-server/plugins.ts'

const ROOT = path.resolve(import.meta.dirname, '..', '..', '..', '..')
const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8')

interface ComposeService {
  readonly image: string
  readonly build?: string
  readonly user?: string
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly group_add?: readonly string[]
  readonly healthcheck?: object
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
}

describe('docker-compose.yml', () => {
  const compose = parse(read('docker-compose.yml'), { merge: true }) as {
    readonly services: Readonly<Record<string, ComposeService>>
    readonly volumes: Readonly<Record<string, unknown>>
  }
  const services = Object.entries(compose.services)

  it('is valid by the Compose Specification', () => {
    const ajv = new Ajv({ strict: false, allErrors: true })
    addFormats.default(ajv)
    const schema = JSON.parse(read('test/support/compose-spec/compose-spec.json')) as Record<string, unknown>
    // Ajv knows the draft by its http:// name only.
    const validate = ajv.compile({ ...schema, $schema: 'http://json-schema.org/draft-07/schema#' })
    validate(compose)
    assert.deepEqual(validate.errors, null)
  })

  it("runs Kong's own image, unchanged", () => {
    const { image, build } = compose.services.kong!
    assert.deepEqual({ image, build }, { image: 'kong:3.9', build: undefined })
  })

  it('gives Kong the settings that `sluice kong-conf` prints', async () => {
    const names = (await loadShippedPlugins()).map(({ name }) => name)
    const printed = kongSettings(
      names,
      '/run/sluice/sluice.sock',
      name => `cat /run/sluice/dump/${name}.json`,
    )
    const sorted = (value: string) => value.split(',').sort().join(',')
    const given = compose.services.kong?.environment ?? {}
    for (const [name, value] of printed)
      assert.equal(sorted(given[`KONG_${name.toUpperCase()}`] ?? ''), sorted(value), name)
  })

  it('lets Kong enter the folder of the socket by the group of the sidecar', () => {
    const gid = /groupadd --gid (\d+) sluice/.exec(read('Dockerfile'))?.[1]
    assert.ok(gid)
    assert.deepEqual(compose.services.kong?.group_add, [gid])
  })

  it('sets no variable that Sluice does not know', () => {
    const known = new Set(Object.values(SETTINGS).flatMap(({ env }) => [env, `${env}_FILE`] as string[]))
    const names = services.flatMap(([, { environment }]) => Object.keys(environment ?? {}))
    const unknown = names.filter(name => name.startsWith('SLUICE_') && !name.startsWith('SLUICE_UP_'))
    assert.deepEqual(
      unknown.filter(name => !known.has(name)),
      [],
    )
  })

  for (const [name, service] of services)
    describe(`service ${name}`, () => {
      it('has an image with a version', () => {
        assert.match(service.image, /^[\w./-]+:v?\d+\.\d+/)
      })

      it('mounts only files of the project and declared volumes', () => {
        for (const mount of service.volumes ?? []) {
          const [source] = mount.split(':') as [string]
          if (source.startsWith('.')) assert.ok(existsSync(path.join(ROOT, source)), mount)
          else assert.ok(source in compose.volumes, mount)
        }
      })

      it('waits for others by what they can become', () => {
        for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
          const target = compose.services[other]
          assert.ok(target, other)
          if (condition === 'service_healthy') assert.ok(target.healthcheck, `${other} has no health check`)
        }
      })

      it('holds no secret', () => {
        for (const [variable, value] of Object.entries(service.environment ?? {}))
          if (/(PASSWORD|SECRET|_URL|_KEY)$/.test(variable))
            assert.match(value, /^\$\{SLUICE_UP_\w+:-(jason|eddie|brandon)\}$/, variable)
      })

      it('publishes nothing but the proxy beyond the loopback', () => {
        for (const port of service.ports ?? [])
          if (!port.endsWith(':8000')) assert.match(port, /^127\.0\.0\.1:/, port)
      })
    })

  it('runs what is built here as an unprivileged user with a read-only root', () => {
    for (const [name, { build, user, read_only, cap_drop }] of services) {
      if (!build) continue
      assert.equal(read_only, true, name)
      assert.deepEqual(cap_drop, ['ALL'], name)
      // `secrets` prepares a volume that is root's.
      if (name !== 'secrets') assert.equal(user, undefined, name)
      assert.match(read(path.join(build, 'Dockerfile')), /^USER \d{5}:\d{5}$/m, name)
    }
  })

  it('has scripts that a container may run', () => {
    for (const file of readdirSync(path.join(ROOT, 'ops/deploy/compose')))
      assert.equal(statSync(path.join(ROOT, 'ops/deploy/compose', file)).mode & 0o111, 0o111, file)
  })
})

describe('the dashboard and the alerts', () => {
  const sources = ['foundation', 'plugin-server', 'plugins', 'events'].flatMap(folder =>
    readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.ts'))
      .map(name => read(path.join(folder, name))),
  )
  const known = new Set(sources.flatMap(text => text.match(/(?<=['"])sluice_[a-z_]+(?=['"])/g) ?? []))
  const isKnown = (metric: string) =>
    known.has(metric.replace(/_(bucket|sum|count)$/, '')) || metric.startsWith('sluice_process_')

  for (const file of ['ops/deploy/grafana/dashboards/sluice.json', 'ops/deploy/prometheus/alerts.yml'])
    it(`${path.basename(file)} asks only for metrics that exist`, () => {
      const named = [...new Set(read(file).match(/\bsluice_[a-z_]+\b/g))]
      assert.ok(named.length > 5)
      assert.deepEqual(
        named.filter(metric => !isKnown(metric)),
        [],
      )
    })

  it('are found where docker-compose.yml mounts them', () => {
    const prometheus = parse(read('ops/deploy/prometheus/prometheus.yml')) as { rule_files: string[] }
    for (const file of prometheus.rule_files)
      assert.ok(existsSync(path.join(ROOT, 'ops/deploy/prometheus', file)))
  })
})
