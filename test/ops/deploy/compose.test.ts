import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import { parse } from 'yaml'
import { kongSettings } from '../../../cli/commands/kong-conf.ts'
import { consul } from '../../../ops/local/consul.ts'
import { postgres } from '../../../ops/local/postgres.ts'
import { rabbit } from '../../../ops/local/rabbit.ts'
import { redis } from '../../../ops/local/redis.ts'
import { loadShippedPlugins } from '../../../plugin-server/plugins.ts'

const ROOT = path.resolve(import.meta.dirname, '..', '..', '..', '..')
const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8')

interface ComposeService {
  readonly image: string
  readonly build?: {
    readonly context: string
    readonly dockerfile?: string
    readonly args?: Readonly<Record<string, string>>
  }
  readonly pull_policy?: string
  readonly tmpfs?: readonly string[]
  readonly logging?: { readonly options: Readonly<Record<string, string>> }
  readonly restart?: string
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
    // Plugins' own settings included.
    const documented = read('docs/settings.md').match(/(?<=^\| `)SLUICE_\w+/gm) ?? []
    const known = new Set(documented.flatMap(env => [env, `${env}_FILE`]))
    const own = services.filter(([, { image }]) => image.startsWith('sluice:'))
    const names = own.flatMap(([, { environment }]) => Object.keys(environment ?? {}))
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

      it('mounts declared volumes and no file of this machine, which its user might not be able to read', () => {
        for (const mount of service.volumes ?? []) assert.ok(mount.split(':')[0]! in compose.volumes, mount)
      })

      it('has a bounded log', () => {
        assert.deepEqual(service.logging?.options, { 'max-size': '10m', 'max-file': '3' })
      })

      it('has a read-only root, and no capability', () => {
        assert.equal(service.read_only, true)
        assert.deepEqual(service.cap_drop, ['ALL'])
      })

      // The engine makes a tmpfs like the image's folder at the first start of a container, and root's at the second.
      it('can write to its tmpfs after a restart', () => {
        for (const mount of service.tmpfs ?? []) assert.match(mount, /^\/tmp$|:uid=\d+,gid=\d+,mode=/, mount)
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
          if (/(PASSWORD|SECRET|(?<!_PUBLIC)_URL|_KEY)$/.test(variable))
            assert.match(
              value,
              /^(\$\{SLUICE_UP_\w+:-(jason|eddie|brandon)\}|\$\{SLUICE_\w+:-\}|http:\/\/[\w:./-]+)$/,
              variable,
            )
      })

      it('publishes nothing but the proxy beyond the loopback', () => {
        for (const port of service.ports ?? [])
          if (!port.endsWith(':8000')) assert.match(port, /^127\.0\.0\.1:/, port)
      })
    })

  it('runs what is built here as an unprivileged user', () => {
    for (const [name, { build, user }] of services) {
      if (!build) continue
      assert.equal(user, undefined, name)
      assert.match(
        read(path.join(build.context, build.dockerfile ?? 'Dockerfile')),
        /^USER \d{5}:\d{5}$/m,
        name,
      )
    }
  })

  it('builds each image once, and passes on a mirror and the certificates of a company', () => {
    const built = services.flatMap(([, { build, image }]) => (build ? [image] : []))
    assert.deepEqual(built, [...new Set(built)])
    for (const [name, { build }] of services)
      if (build) assert.equal(build.args?.EXTRA_CA, '${' + 'SLUICE_BUILD_CA:-}', name)
  })

  it('tags its images with the version of the package', () => {
    const { version } = JSON.parse(read('package.json')) as { version: string }
    for (const [name, { image }] of services)
      if (image.startsWith('sluice')) assert.equal(image.split(':')[1], version, name)
  })

  it('runs the same images as the tests where Docker answers', () => {
    for (const [name, recipe] of Object.entries({ redis, postgres, rabbitmq: rabbit, consul }))
      assert.equal(compose.services[name]?.image, recipe.container.image)
  })

  it('gives the volume with the secrets of a service to nobody else', () => {
    const readers = (volume: string) =>
      services
        .filter(([, { volumes = [] }]) => volumes.some(mount => mount.startsWith(`${volume}:`)))
        .map(([name]) => name)
    assert.deepEqual(readers('secrets'), ['setup'])
    assert.deepEqual(readers('for-redis'), ['setup', 'redis'])
    assert.deepEqual(readers('for-postgres'), ['setup', 'postgres', 'databases'])
    assert.deepEqual(readers('for-rabbitmq'), ['setup', 'rabbitmq'])
    assert.deepEqual(readers('for-kong'), ['setup', 'kong-migrations', 'kong', 'kong-migrations-finish'])
    assert.deepEqual(readers('for-sluice'), ['setup', 'sluice', 'apply'])
    assert.deepEqual(readers('for-samples'), ['setup', 'users', 'products'])
    // Of Sluice's spool and signing keys, of the keys of access tokens.
    assert.deepEqual(readers('sluice-spool'), ['sluice', 'token-key'])
    assert.deepEqual(readers('users-keys'), ['users'])
  })
})

describe('the dashboard and the alerts', () => {
  const sources = ['foundation', 'sdk', 'plugin-server', 'plugins', 'events', 'management'].flatMap(folder =>
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
