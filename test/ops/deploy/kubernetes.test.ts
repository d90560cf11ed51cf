import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Ajv, type ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import { parse, parseAllDocuments } from 'yaml'
import { kongSettings } from '../../../cli/commands/kong-conf.ts'
import { SETTINGS } from '../../../foundation/settings.ts'
import { projectFolder } from '../../../ops/local/folders.ts'
import { loadShippedPlugins } from '../../../plugin-server/plugins.ts'

const FOLDER = path.join(projectFolder(), 'ops/deploy/kubernetes')
const read = (file: string) => readFileSync(path.join(FOLDER, file), 'utf8')

interface Container {
  readonly name: string
  readonly image: string
  readonly restartPolicy?: string
  readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: object }[]
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[]
  readonly resources: { readonly requests: object; readonly limits: Readonly<Record<string, string>> }
  readonly securityContext: Readonly<Record<string, unknown>>
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[]
  readonly startupProbe?: object
  readonly readinessProbe?: object
  readonly livenessProbe?: object
}

interface PodSpec {
  readonly initContainers?: readonly Container[]
  readonly containers: readonly Container[]
  readonly volumes: readonly { readonly name: string }[]
}

interface Resource {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: { readonly template?: { readonly spec: PodSpec } } & Readonly<Record<string, unknown>>
}

const manifests = readdirSync(path.join(FOLDER, 'manifests')).filter(name => name !== 'kustomization.yaml')
const resources = manifests.flatMap(name =>
  parseAllDocuments(read(`manifests/${name}`)).map(document => [name, document.toJS() as Resource] as const),
)
const pods = resources.flatMap(([, { metadata, spec }]) =>
  spec?.template ? [[metadata.name, spec.template.spec] as const] : [],
)
const containersOf = (pod: PodSpec) => [...(pod.initContainers ?? []), ...pod.containers]

describe('the manifests for Kubernetes', () => {
  const ajv = new Ajv({ strict: false, allErrors: true, allowUnionTypes: true })
  addFormats.default(ajv)
  const schemas = path.join(projectFolder(), 'test/support/kubernetes-schemas/v1.36.json')
  ajv.addSchema(JSON.parse(readFileSync(schemas, 'utf8')), 'kubernetes')

  for (const [file, resource] of resources)
    it(`have a valid ${resource.kind} ${resource.metadata.name} in ${file}`, () => {
      const validate = ajv.getSchema(`kubernetes#/$defs/kind.${resource.kind}`) as
        | ValidateFunction
        | undefined
      assert.ok(validate, `no schema of ${resource.kind}`)
      validate(resource)
      assert.deepEqual(validate.errors, null)
    })

  it('are refused by the same schemas when a field is misspelt', () => {
    const [, deployment] = resources.find(([, { kind }]) => kind === 'Deployment')!
    const validate = ajv.getSchema('kubernetes#/$defs/kind.Deployment') as ValidateFunction
    assert.equal(validate({ ...deployment, spec: { ...deployment.spec, replica: 2 } }), false)
  })

  it('are all named by the kustomization, but for what a person makes or runs', () => {
    const { resources: named } = parse(read('manifests/kustomization.yaml')) as { resources: string[] }
    const others = ['secrets.example.yaml', 'migrations-finish.yaml']
    assert.deepEqual([...named, ...others].sort(), [...manifests].sort())
  })

  for (const [name, pod] of pods)
    for (const container of containersOf(pod))
      describe(`container ${container.name} of ${name}`, () => {
        it('may do nothing that it need not', () => {
          const { runAsUser, ...rest } = container.securityContext
          assert.ok(Number(runAsUser) > 0)
          assert.deepEqual(rest, {
            runAsGroup: runAsUser,
            runAsNonRoot: true,
            readOnlyRootFilesystem: true,
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
          })
        })

        it('asks for what it needs, and has a bound of memory', () => {
          assert.deepEqual(Object.keys(container.resources.requests), ['cpu', 'memory'])
          assert.deepEqual(Object.keys(container.resources.limits), ['memory'])
        })

        it('mounts volumes that are there', () => {
          const volumes = pod.volumes.map(({ name }) => name)
          for (const { name } of container.volumeMounts) assert.ok(volumes.includes(name), name)
        })

        it('holds no secret', () => {
          for (const { name, value } of container.env ?? [])
            if (/(PASSWORD|SECRET|_URL)$/.test(name)) assert.equal(value, undefined, name)
        })

        if (!['sluice-dump', 'migrations'].includes(container.name))
          it('is asked whether it has started, is ready and lives', () => {
            for (const probe of [container.startupProbe, container.readinessProbe, container.livenessProbe])
              assert.ok(probe)
          })
      })
})

describe("Kong's pod in Kubernetes", () => {
  const { kong: values } = parse(read('chart/values.yaml')) as {
    kong: {
      env: Readonly<Record<string, string>>
      deployment: {
        initContainers: readonly Container[]
        userDefinedVolumes: readonly { readonly name: string }[]
      }
    }
  }
  const pod = pods.find(([name]) => name === 'kong')![1]
  const envOf = (container: Container) =>
    Object.fromEntries((container.env ?? []).map(({ name, value }) => [name, value]))
  let printed: readonly (readonly [string, string])[]

  before(async () => {
    const names = (await loadShippedPlugins()).map(({ name }) => name)
    printed = [...kongSettings(names, '/run/sluice/sluice.sock', name => `cat /run/sluice/dump/${name}.json`)]
  })

  const sorted = (value: unknown) => String(value).split(',').sort().join(',')

  it('has the settings that `sluice kong-conf` prints, in the manifests and in the chart', () => {
    const kong = envOf(pod.containers[0]!)
    for (const [name, value] of printed) {
      assert.equal(sorted(kong[`KONG_${name.toUpperCase()}`]), sorted(value), `KONG_${name.toUpperCase()}`)
      assert.equal(sorted(values.env[name]), sorted(value), name)
    }
  })

  it('has the same plugin server in the manifests and in the chart', () => {
    assert.deepEqual(values.deployment.initContainers, pod.initContainers)
  })

  it('starts the plugin server before Kong, and ends it after', () => {
    const [, sidecar] = pod.initContainers!
    assert.equal(sidecar!.name, 'sluice')
    assert.equal(sidecar!.restartPolicy, 'Always')
  })

  it('sets no variable that Sluice does not know', () => {
    const known = Object.values(SETTINGS).flatMap(({ env }) => [env, `${env}_FILE`] as string[])
    for (const name of Object.keys(envOf(pod.initContainers![1]!))) assert.ok(known.includes(name), name)
  })

  it('runs the version of the package', () => {
    const { version } = parse(readFileSync(path.join(projectFolder(), 'package.json'), 'utf8')) as {
      version: string
    }
    for (const { image } of pod.initContainers!) assert.equal(image, `ghcr.io/OWNER/sluice:${version}`)
    assert.equal(parse(read('chart/Chart.yaml')).appVersion, version)
  })
})
