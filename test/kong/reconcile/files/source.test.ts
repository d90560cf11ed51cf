// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the expressions of a declared state look like that
import assert from 'node:assert/strict'
import { SluiceError } from '../../../../foundation/errors.ts'
import { readDeclared } from '../../../../kong/reconcile/files/declared.ts'
import { type Problem, refuse } from '../../../../kong/reconcile/files/problem.ts'
import { chooseSelectTags } from '../../../../kong/reconcile/files/select-tags.ts'
import { readSource } from '../../../../kong/reconcile/files/source.ts'

const read = (text: string, env: Record<string, string> = {}) => readSource(text, 'kong.yaml', env)
const problemsOf = ({ problems }: { readonly problems: readonly Problem[] }) =>
  messageOf(() => refuse(problems))

function messageOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    assert.ok(error instanceof SluiceError)
    assert.equal(error.code, 'SLUICE_STATE_INVALID')
    return error.message
  }
  throw new assert.AssertionError({ message: 'nothing was thrown' })
}

describe('a declared state', () => {
  it('takes values from the environment, in any kind of scalar and in flow lists', () => {
    const text = [
      'plain: ${{ env "A" }}',
      'part: http://${{ env "A" }}:${{ env "B" }}/x',
      'double: "${{ env "A" }}"',
      'single: \'${{ env "A" }}\'',
      'list: [${{ env "A" }}, b]',
      'block: |',
      '  one ${{ env "A" }}',
    ].join('\n')
    assert.deepEqual(read(text, { A: 'a', B: '8' }).content, {
      plain: 'a',
      part: 'http://a:8/x',
      double: 'a',
      single: 'a',
      list: ['a', 'b'],
      block: 'one a\n',
    })
  })

  it('keeps its structure whatever a variable holds', () => {
    const value = 'x"\nadmin: true\n- [ { # \''
    assert.deepEqual(read('a: ${{ env "A" }}\nb: "${{ env "A" }}"', { A: value }).content, {
      a: value,
      b: value,
    })
  })

  it('uses the default of a variable that is unset or empty', () => {
    const text = 'a: ${{ env "A" | default "z" }}'
    assert.deepEqual(read(text).content, { a: 'z' })
    assert.deepEqual(read(text, { A: '' }).content, { a: 'z' })
    assert.deepEqual(read(text, { A: 'q' }).content, { a: 'q' })
  })

  it('names line and column of every variable that is not set, and of what it does not understand', () => {
    assert.equal(
      problemsOf(read('a: 1\nb:\n  - x${{ env "NOPE" }}\n  - ${{ nope "A" }}')),
      'kong.yaml:3:6: the environment variable NOPE is not set\n' +
        'kong.yaml:4:5: ${{ nope "A" }} is not understood; write ${{ env "NAME" }}',
    )
  })

  it('leaves expressions in comments alone', () => {
    assert.deepEqual(read('a: 1 # ${{ env "NOPE" }}').content, { a: 1 })
  })

  it('names line and column of broken YAML and of a key that stands twice', () => {
    assert.match(problemsOf(read('a:\n  - b\n c: d')), /^kong\.yaml:3:1: /)
    assert.match(problemsOf(read('a: 1\na: 2')), /^kong\.yaml:2:1: Map keys must be unique/)
  })

  it('remembers secrets by the names of their variables', () => {
    const { secrets } = read('a: ${{ env "DECK_EDDIE_KEY" }}\nb: ${{ env "PORT" }}', {
      DECK_EDDIE_KEY: 'k',
      PORT: '1',
    })
    assert.deepEqual(secrets, ['k'])
  })
})

describe('the entities of a declared state', () => {
  const declared = (text: string) => readDeclared([read(text)])

  it('are taken out of each other, with references instead', () => {
    const { entities, tagsOf } = declared(`
_format_version: "3.0"
_info: { select_tags: [t], defaults: { route: { strip_path: false } } }
_plugin_configs: { short: { minute: 5, policy: local } }
services:
- name: s
  routes:
  - name: r
    plugins: [{ name: key-auth }]
  plugins: [{ name: rate-limiting, _config: short, config: { minute: 6 } }]
routes:
- name: r2
  service: { name: s }
certificates:
- { cert: c, key: k, snis: [a.com, { name: b.com }] }
`)
    assert.deepEqual(
      tagsOf.map(({ tags }) => tags),
      [['t']],
    )
    const shown = entities.map(({ kind, fields, links }) => [
      kind,
      fields,
      Object.fromEntries(
        Object.entries(links).map(([k, v]) => [k, typeof v === 'string' ? v : v.fields.name]),
      ),
    ])
    assert.deepEqual(shown, [
      ['services', { name: 's' }, {}],
      ['routes', { strip_path: false, name: 'r' }, { service: 's' }],
      ['plugins', { name: 'key-auth' }, { route: 'r' }],
      ['plugins', { name: 'rate-limiting', config: { minute: 6, policy: 'local' } }, { service: 's' }],
      ['routes', { strip_path: false, name: 'r2' }, { service: 's' }],
      ['certificates', { cert: 'c', key: 'k' }, {}],
      ['snis', { name: 'a.com' }, { certificate: undefined }],
      ['snis', { name: 'b.com' }, { certificate: undefined }],
    ])
  })

  it('are refused with their places: unknown kinds, wrong versions, no lists', () => {
    assert.equal(
      problemsOf(declared('_format_version: "4.0"\nservice: []\nroutes: {}\nrbac_roles: []\nx: 1')),
      'kong.yaml:1:1: version 4.0 is not supported; 1.1, 2.1 and 3.0 are\n' +
        'kong.yaml:2:1: unknown kind of entity; did you mean services?\n' +
        'kong.yaml:3:1: routes must be a list\n' +
        'kong.yaml:4:1: rbac_roles belong to Kong Enterprise; this is for open-source Kong\n' +
        'kong.yaml:5:1: unknown kind of entity; there are ca_certificates, certificates, vaults, ' +
        'key_sets, upstreams, services, consumers, snis, keys, routes, targets, plugins, filter_chains, keyauth_credentials, ' +
        'basicauth_credentials, hmacauth_credentials, jwt_secrets, oauth2_credentials, acls',
    )
    assert.match(problemsOf(declared('')), /has no _format_version/)
  })

  it('are refused when _info holds a key that would be ignored', () => {
    assert.equal(
      problemsOf(declared('_format_version: "3.0"\n_info:\n  selct_tags: [team-a]\n')),
      'kong.yaml:3:3: unknown key; did you mean select_tags?',
    )
  })

  it('are refused when _info.default_lookup_tags names what decK does not look up, or has no tags', () => {
    const start = '_format_version: "3.0"\n_info:\n  default_lookup_tags:\n'
    const known = 'consumer_groups: [a]\nconsumers: [a, b]\npartials: []\nroutes: [a]\nservices:'
    assert.deepEqual(declared(`${start}${known.replace(/^/gm, '    ')}`).problems, [])
    assert.equal(
      problemsOf(declared(`${start}    servces: [a]\n    upstreams: [a]\n    routes: a\n`)),
      'kong.yaml:4:5: unknown entity; did you mean services?\n' +
        'kong.yaml:5:5: unknown entity; there are consumer_groups, consumers, partials, routes, services\n' +
        'kong.yaml:6:5: must be a list of tags',
    )
    assert.equal(
      problemsOf(declared('_format_version: "3.0"\n_info: { default_lookup_tags: [a] }')),
      'kong.yaml:2:10: must be a map: lists of tags by entity',
    )
  })
})

describe('the select tags of a run', () => {
  const choose = (given: readonly string[], ...texts: string[]) =>
    chooseSelectTags(
      readDeclared(texts.map((text, i) => readSource(`_format_version: "3.0"\n${text}`, `${i}.yaml`, {}))),
      given,
    )

  it('are those of the files and of the command line, else sluice', () => {
    assert.deepEqual(choose([], '_info: { select_tags: [a] }', '_info: { select_tags: [a] }').tags, ['a'])
    assert.deepEqual(choose(['b'], '_info: { select_tags: [a] }').tags, ['b', 'a'])
    assert.deepEqual(choose([], '', '_info: { select_tags: [] }').tags, ['sluice'])
    assert.deepEqual(choose(['a'], '_info: { select_tags: [a] }', '').tags, ['a'])
  })

  it('must not differ between files: a later run with one of them would delete what the other declares', () => {
    const [tags, none] = ['_info: { select_tags: [a] }', '']
    assert.equal(
      problemsOf(choose([], tags, '_info: { select_tags: [a, b] }')),
      '1.yaml:2:10: select tags "a", "b" differ from "a" of 0.yaml; give all files of one run the same _info.select_tags, or apply them one by one',
    )
    assert.match(
      problemsOf(choose([], tags, none)),
      /^1\.yaml:1:1: select tags "sluice" differ from "a" of 0\.yaml;/,
    )
  })
})
