import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { AdminRefused } from '../../kong/admin/answer.ts'
import { AdminClient } from '../../kong/admin/client.ts'
import { KIND_NAMES, KINDS, type KindName } from '../../kong/reconcile/kinds.ts'
import { createSchemas, fetchSchemas, type SchemaSpecs, type Schemas } from '../../kong/reconcile/schemas.ts'
import { isObject, type SchemaSpec } from '../../kong/schema/spec.ts'
import { LATEST_TIME, NOT_NULL } from '../../management/changes/plan-beyond-schema.ts'
import { type RunningAdmin, startAdminServer } from '../support/admin-server.ts'
import { AdminSource } from '../support/admin-source.ts'
import { makeCertificates } from '../support/certificates.ts'
import { makeFolder, type TestFolder } from '../support/folder.ts'
import { type Random, randomBody, randomFrom, shrunk, type Texts } from '../support/random-body.ts'
import { differenceOf, verdictOfKong, verdictOfManager, type Wish } from '../support/verdicts.ts'

/** 5,000 by hand, of a real Kong with `SLUICE_TEST_KONG_ADMIN_URL`, whose configuration must be empty. */
const BODIES = Number(process.env.SLUICE_TEST_BODIES ?? 8)
const SEED = Number(process.env.SLUICE_TEST_SEED ?? 20261128)
const ADMIN_URL = process.env.SLUICE_TEST_KONG_ADMIN_URL
/** Of which kinds and plugins, where not of all. */
const ONLY = process.env.SLUICE_TEST_ONLY?.split(',')
/** More of one kind are not told. */
const MOST_TOLD = 12

const isMeant = (name: string) => ONLY === undefined || ONLY.includes(name)

describe(`the manager takes what Kong takes (seed ${SEED})`, function () {
  this.timeout(120_000 + BODIES * 2_000)
  let folder: TestFolder
  let kong: RunningAdmin | undefined
  let client: AdminClient
  let source: AdminSource
  let specs: SchemaSpecs
  let schemas: Schemas
  let world: World

  before(async () => {
    folder = makeFolder()
    kong = ADMIN_URL === undefined ? await startAdminServer() : undefined
    client = new AdminClient({ url: kong?.url ?? ADMIN_URL ?? '' })
    source = new AdminSource(client)
    const { enabled_plugins: plugins } = (await client.request('GET', '/plugins/enabled')) as {
      enabled_plugins: string[]
    }
    specs = await fetchSchemas(client, plugins, ['env'])
    schemas = createSchemas(specs)
    world = await makeWorld(client, folder.path)
  })
  after(async () => {
    if (world)
      for (const [kind, { id }] of [...Object.entries(world.entities)].reverse())
        await client.request('DELETE', pathOf(kind as KindName, id, world)).catch(() => {})
    await client?.close()
    await kong?.close()
    folder.remove()
  })

  const compare = (wishes: Iterable<Wish>) => compareAll(wishes, { client, source, schemas })

  for (const kind of KIND_NAMES.filter(
    name => name !== 'plugins' && name !== 'filter_chains' && isMeant(name),
  ))
    it(`of ${KINDS[kind].path}`, async () => {
      const spec = specs.kinds.get(kind)
      assert.ok(spec)
      assert.deepEqual(await compare(wishesOf(randomFrom(SEED), kind, spec, world)), [])
    })

  it('of plugins', async () => {
    const names = Object.keys(specs.plugins).filter(isMeant)
    const general = specs.kinds.get('plugins')
    assert.ok(general)
    const differences: string[] = []
    for (const [i, name] of names.entries()) {
      const wishes = wishesOfPlugin(randomFrom(SEED + i), {
        name,
        world,
        general,
        own: specs.plugins[name] ?? general,
      })
      differences.push(...(await compare(wishes)))
    }
    assert.deepEqual(differences, [])
  })
})

/** What is there: an entity of each kind, to which others may refer. */
interface World {
  readonly entities: Readonly<Partial<Record<KindName, { readonly id: string }>>>
  readonly texts: Texts
}

const pathOf = (kind: KindName, id: string, { entities }: World): string =>
  kind === 'targets' ? `/upstreams/${entities.upstreams?.id}/targets/${id}` : `/${KINDS[kind].path}/${id}`

async function makeWorld(client: AdminClient, folder: string): Promise<World> {
  const { authority, certificate, key } = makeCertificates(folder)
  const [ca, cert, ownKey] = [authority, certificate, key].map(file => readFileSync(file, 'utf8'))
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '1',
      '-subj',
      '/CN=rsa',
      '-keyout',
      'rsa.key',
      '-out',
      'rsa.pem',
    ],
    { cwd: folder, stdio: 'pipe' },
  )
  const [rsaKey, rsaCert] = ['rsa.key', 'rsa.pem'].map(file => readFileSync(path.join(folder, file), 'utf8'))
  const jwk = (kid: string) =>
    JSON.stringify({ ...createPublicKey(rsaKey ?? '').export({ format: 'jwk' }), kid })
  const entities: Partial<Record<KindName, { id: string }>> = {}
  const make = async (kind: KindName, body: object, at = `/${KINDS[kind].path}`) => {
    const { id } = (await client.request('POST', at, body)) as { id: string }
    entities[kind] = { id }
    return { id }
  }
  const consumer = await make('consumers', { username: 'there', custom_id: 'there-id' })
  await make('ca_certificates', { cert: ca })
  await make('certificates', { cert, key: ownKey })
  await make('vaults', { name: 'env', prefix: 'there-env' })
  const set = await make('key_sets', { name: 'there' })
  const upstream = await make('upstreams', { name: 'there' })
  const service = await make('services', { name: 'there', host: 'there.test' })
  await make('snis', { name: 'there.test', certificate: entities.certificates })
  await make('routes', { name: 'there', paths: ['/there'], service })
  await make('targets', { target: 'there.test:80' }, `/upstreams/${upstream.id}/targets`)
  await make('keys', { name: 'there', kid: 'there', set, jwk: jwk('there') })
  await make('keyauth_credentials', { consumer, key: 'there' })
  await make('basicauth_credentials', { consumer, username: 'there', password: 'p' })
  await make('hmacauth_credentials', { consumer, username: 'there' })
  await make('jwt_secrets', { consumer, key: 'there' })
  await make('oauth2_credentials', { consumer, name: 'there' })
  await make('acls', { consumer, group: 'there' })
  const references = (kind: KindName) => [
    entities[kind],
    entities[kind],
    { id: '2cf5fdd6-8e4b-4d6a-9b0e-1a2b3c4d5e6f' },
    {},
    { id: 'x' },
    { name: 'there' },
    'there',
    [],
    1,
  ]
  const pems = [
    cert,
    ca,
    rsaCert,
    'x',
    '-----BEGIN CERTIFICATE-----\nYQ==\n-----END CERTIFICATE-----',
    `${cert}${ca}`,
    `${cert}x`,
    ownKey,
  ]
  const keys = [ownKey, rsaKey, 'x', '-----BEGIN PRIVATE KEY-----\nYQ==\n-----END PRIVATE KEY-----', cert]
  return {
    entities,
    texts: {
      service: references('services'),
      route: references('routes'),
      consumer: references('consumers'),
      upstream: [upstream],
      certificate: references('certificates'),
      client_certificate: references('certificates'),
      set: references('key_sets'),
      cert: pems,
      cert_alt: pems,
      key_alt: keys,
      'certificates.key': keys,
      // One that is not there is taken by Kong, which fails later, and on purpose not by the manager.
      ca_certificates: [entities.ca_certificates?.id, 'x'],
      rsa_public_key: [...keys, 'x'],
      name: [
        'a',
        'abc',
        'x-y',
        'ä',
        'A.b~c',
        'a b',
        'there',
        'a/b',
        '',
        'there.test',
        '10.0.0.1',
        'a.b',
        '*.a',
        'a.*',
        'a_b',
        '00000000-0000-4000-8000-00000000000a',
      ],
      username: ['a', 'ä', 'a b', 'there', ''],
      custom_id: ['a', 'there-id', ''],
      jwk: [
        jwk('a'),
        jwk('there'),
        '{"kty":"oct","k":"YQ","kid":"a"}',
        '{}',
        'x',
        '{"kty":"RSA"}',
        '{"kid":"a"}',
        '[]',
        '1',
        '{"kty":"oct","k":"YQ"}',
      ],
      pem: [{ private_key: rsaKey }, { public_key: 'x' }, { private_key: ownKey }, {}, 'x'],
      tags: ['a', 'b', 'c', 'ä', 'a b', 'a,b', 'a/b', ''],
      expression: ['http.path == "/"', 'x', ''],
    },
  }
}

/** What fields of one kind alone are called as others are. */
const OWN_TEXTS: Readonly<Partial<Record<KindName, Texts>>> = {
  vaults: { name: ['env', 'env', 'x', 'hcv', ''], prefix: ['a', 'a-b', 'there-env', 'env', 'x y', ''] },
  keys: { kid: ['a', 'a', 'there', 'b', ''] },
  snis: { name: ['a.test', '*.a.test', 'b.*', 'there.test', 'a b', '10.0.0.1', '*', 'a.*.b', ''] },
}

function* wishesOf(
  random: Random,
  kind: KindName,
  spec: SchemaSpec,
  { entities, texts }: World,
): Generator<Wish> {
  const { within } = KINDS[kind]
  const own = {
    ...texts,
    ...OWN_TEXTS[kind],
    ...(kind === 'certificates' && { key: texts['certificates.key'] ?? [] }),
  }
  const fixed = within === undefined ? {} : { [within]: entities.upstreams }
  for (let i = 0; i < BODIES; i++) {
    const body = { ...randomBody(random, spec, own), ...fixed }
    // Tables of a real Kong hold no null there, and no such time, of which the local gateway knows nothing.
    for (const name of NOT_NULL[kind] ?? []) if (body[name] === null) delete body[name]
    if (Number(body.created_at) > LATEST_TIME) delete body.created_at
    const isUpdate = random() < 0.3
    const key = isUpdate ? entities[kind]?.id : undefined
    // What a change of a reference would move stays where it is.
    yield key === undefined
      ? { action: 'create', kind, body }
      : { action: 'update', kind, key, body: unreferenced(body, kind) }
  }
}

const unreferenced = (body: Readonly<Record<string, unknown>>, kind: KindName) => {
  const { within, fixed, references } = KINDS[kind]
  const names = new Set(['id', 'created_at', 'updated_at', ...fixed, ...references.map(({ field }) => field)])
  return Object.fromEntries(Object.entries(body).filter(([name]) => name === within || !names.has(name)))
}

interface PluginWishes {
  readonly name: string
  readonly world: World
  /** The schema of all plugins, and that of this one. */
  readonly general: SchemaSpec
  readonly own: SchemaSpec
}

/** A plugin by the name of its route is not checked against the route's protocols by Kong. */
const byId = (values: readonly unknown[] = []) =>
  values.filter(value => !(isObject(value) && 'name' in value))

function* wishesOfPlugin(
  random: Random,
  { name, world: { texts }, general, own }: PluginWishes,
): Generator<Wish> {
  // The schema of a plugin tells anew what of a plugin's fields is another one there.
  const fields = [
    ...general.fields.filter(field => !own.fields.some(one => Object.keys(one)[0] === Object.keys(field)[0])),
    ...own.fields,
  ]
  const ids = { service: byId(texts.service), route: byId(texts.route), consumer: byId(texts.consumer) }
  for (let i = 0; i < BODIES; i++) {
    const { name: _, ...body } = randomBody(
      random,
      { fields, shorthand_fields: [] },
      { ...texts, name: texts.username ?? [], ...ids },
    )
    yield { action: 'create', kind: 'plugins', body: { name, ...body } }
  }
}

async function compareAll(
  wishes: Iterable<Wish>,
  parts: { readonly client: AdminClient; readonly source: AdminSource; readonly schemas: Schemas },
): Promise<string[]> {
  const found = new Map<string, string>()
  const counts = { taken: 0, refused: 0, failed: 0 }
  const differenceFor = async (wish: Wish) => {
    const manager = await verdictOfManager(wish, parts)
    try {
      const kong = await verdictOfKong(parts.client, wish)
      counts[kong.isTaken ? 'taken' : 'refused']++
      return differenceOf(manager, kong, wish)
    } catch (error) {
      if (!(error instanceof AdminRefused)) throw error
      counts.failed++
      if (manager.isTaken) return `taken, but Kong breaks: ${error.message}`
      return undefined
    }
  }
  let kind = ''
  for (const wish of wishes) {
    kind = wish.kind === 'plugins' ? String(wish.body.name) : wish.kind
    if (found.size >= MOST_TOLD) break
    if ((await differenceFor(wish)) === undefined) continue
    const fixed = fixedOf(wish)
    const body = await shrunk(
      wish.body,
      async smaller => (await differenceFor({ ...wish, body: { ...smaller, ...fixed } })) !== undefined,
    )
    const difference = await differenceFor({ ...wish, body: { ...body, ...fixed } })
    const sentence = `${wish.action} ${wish.kind} ${JSON.stringify(body).slice(0, 600)}: ${difference ?? '(only once)'}`
    found.set((difference ?? '').replace(/'[^']*'|"[^"]*"|\d+/g, ''), sentence)
  }
  if (process.env.SLUICE_TEST_BODIES)
    process.stderr.write(
      `${kind}: ${JSON.stringify(counts)}\n${[...found.values()].map(one => `  ${one}\n`).join('')}`,
    )
  return [...found.values()]
}

/** What says where Kong is asked. */
const fixedOf = ({ kind, body }: Wish) => {
  const { within } = KINDS[kind]
  return within === undefined ? {} : { [within]: body[within] }
}
