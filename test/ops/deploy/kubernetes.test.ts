import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Ajv, type ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import { parse, parseAllDocuments } from 'yaml'
import { kongSettings } from '../../../cli/commands/kong-conf.ts'
import { SETTINGS } from '../../../foundation/settings-table.ts'
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

interface Templated {
  readonly template?: { readonly metadata: Metadata; readonly spec: PodSpec }
}

interface Metadata {
  readonly name: string
  readonly labels?: Readonly<Record<string, string>>
}

type Labels = { readonly matchLabels: Readonly<Record<string, string>> }

interface Resource {
  readonly kind: string
  readonly metadata: Metadata
  readonly spec: Templated & { readonly jobTemplate?: { readonly spec: Templated } } & Readonly<
      Record<string, unknown>
    >
}

/** Kong with its plugin server; the sample platform, which the chart renders from the same files. */
const FOLDERS = ['manifests', 'chart/samples']
const filesOf = (folder: string) =>
  readdirSync(path.join(FOLDER, folder))
    .filter(name => name !== 'kustomization.yaml')
    .map(name => `${folder}/${name}`)
const resourcesOf = (file: string) =>
  parseAllDocuments(read(file)).map(document => document.toJS() as Resource)
const manifests = FOLDERS.flatMap(filesOf)
const resources = manifests.flatMap(file => resourcesOf(file).map(resource => [file, resource] as const))
const templates = resources.flatMap(([, { metadata, spec }]) => {
  const template = (spec?.jobTemplate?.spec ?? spec)?.template
  return template ? [[metadata.name, template] as const] : []
})
const pods = templates.map(([name, { spec }]) => [name, spec] as const)
const containersOf = (pod: PodSpec) => [...(pod.initContainers ?? []), ...pod.containers]
/** They do their work and end. */
const isJob = ({ name }: Container) => ['sluice-dump', 'migrations', 'apply', 'token-sync'].includes(name)

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
    const others = ['manifests/secrets.example.yaml', 'manifests/migrations-finish.yaml']
    others.push('chart/samples/secrets.example.yaml')
    const named = FOLDERS.flatMap(folder => {
      const { resources: files } = parse(read(`${folder}/kustomization.yaml`)) as { resources: string[] }
      return files.map(file => `${folder}/${file}`)
    })
    assert.deepEqual([...named, ...others].sort(), [...manifests].sort())
  })

  it('lead each service and each policy to a pod', () => {
    const labels = templates.map(([, { metadata }]) => metadata.labels ?? {})
    const leads = (selector: object) =>
      labels.some(found => Object.entries(selector).every(([name, value]) => found[name] === value))
    for (const [file, { kind, metadata, spec }] of resources) {
      const at = `${file} ${kind} ${metadata.name}`
      if (kind === 'Service') assert.ok(leads(spec.selector as object), at)
      if (kind === 'NetworkPolicy') assert.ok(leads((spec.podSelector as Labels).matchLabels ?? {}), at)
      if (kind === 'PodDisruptionBudget') assert.ok(leads((spec.selector as Labels).matchLabels), at)
    }
  })

  it('name a port of the pod that each service leads to, and a secret that the examples have', () => {
    const secrets = new Map(
      resources
        .filter(([, { kind }]) => kind === 'Secret')
        .map(([, { metadata, ...rest }]) => {
          const { stringData } = rest as unknown as { stringData: object }
          return [metadata.name, Object.keys(stringData)] as const
        }),
    )
    for (const [name, pod] of pods) {
      for (const container of containersOf(pod))
        for (const { valueFrom } of container.env ?? []) {
          const { secretKeyRef } = (valueFrom ?? {}) as { secretKeyRef?: { name: string; key: string } }
          if (secretKeyRef) assert.ok(secrets.get(secretKeyRef.name)?.includes(secretKeyRef.key), name)
        }
      for (const { secret } of pod.volumes as readonly {
        secret?: { secretName: string; optional?: boolean }
      }[])
        if (secret && !secret.optional) assert.ok(secrets.has(secret.secretName), secret.secretName)
    }
  })

  for (const [name, pod] of pods)
    for (const container of containersOf(pod))
      describe(`container ${container.name} of ${name}`, () => {
        it('may do nothing that it need not', () => {
          const { runAsUser, runAsGroup, ...rest } = container.securityContext
          assert.ok(Number(runAsUser) > 0 && Number(runAsGroup) > 0)
          assert.deepEqual(rest, {
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
            if (/(PASSWORD|SECRET|_KEY|_URL)$/.test(name))
              assert.match(value ?? '', /^$|^http:\/\/[^@]+$/, name)
        })

        if (!isJob(container))
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

  const containers = pods.flatMap(([, one]) => containersOf(one))

  it('sets no variable that Sluice does not know, there and in the sample platform', () => {
    const known = Object.values(SETTINGS).flatMap(({ env }) => [env, `${env}_FILE`] as string[])
    for (const container of containers.filter(({ image }) => image.includes('/sluice:')))
      for (const name of Object.keys(envOf(container)))
        if (!/^(SLUICE_UP|SAMPLE|CATALOGUE)_/.test(name)) assert.ok(known.includes(name), name)
  })

  it('runs the version of the package everywhere', () => {
    const { version } = parse(readFileSync(path.join(projectFolder(), 'package.json'), 'utf8')) as {
      version: string
    }
    for (const { image } of containers)
      if (image.includes('OWNER'))
        assert.match(image, new RegExp(`^ghcr\\.io/OWNER/sluice[-a-z]*:${version}$`))
    assert.equal(parse(read('chart/Chart.yaml')).appVersion, version)
  })
})

describe('the sample platform in Kubernetes', () => {
  const compose = parse(readFileSync(path.join(projectFolder(), 'docker-compose.yml'), 'utf8'), {
    merge: true,
  }) as { services: Record<string, { environment?: Record<string, string> }> }
  const containerOf = (name: string) =>
    pods.flatMap(([, pod]) => containersOf(pod)).find(container => container.name === name)!

  for (const name of ['users', 'products', 'catalogue', 'dictionary'])
    it(`has the settings of docker-compose.yml: ${name}`, () => {
      const given = (containerOf(name).env ?? []).map(({ name }) => name).filter(name => name !== 'POD_IP')
      assert.deepEqual(given.sort(), Object.keys(compose.services[name]!.environment ?? {}).sort())
    })

  it('is off in the chart by default, and rendered from files that have all that the chart replaces', () => {
    const { samples } = parse(read('chart/values.yaml')) as { samples: { enabled: boolean } }
    assert.equal(samples.enabled, false)
    const all = filesOf('chart/samples').map(read).join('')
    const replaced = [...read('chart/templates/samples.yaml').matchAll(/replace "([^"\\]+)/g)]
    assert.equal(replaced.length, 5)
    for (const [, text] of replaced) assert.ok(all.includes(String(text)), text)
  })
})
