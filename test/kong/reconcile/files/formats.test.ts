// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the expressions of a declared state look like that
import assert from 'node:assert/strict'
import { closest } from '../../../../foundation/closest-name.ts'
import { readDeclared } from '../../../../kong/reconcile/files/declared.ts'
import { convertPath, formatOf } from '../../../../kong/reconcile/files/formats.ts'
import { readSource } from '../../../../kong/reconcile/files/source.ts'
import { evaluate } from '../../../../kong/reconcile/files/template.ts'

const declared = (...texts: readonly string[]) =>
  readDeclared(texts.map((text, i) => readSource(text, `${i}.yaml`, {})))
const textsOf = ({ problems }: ReturnType<typeof declared>) =>
  problems.map(({ file, position, text }) => `${file}:${position.line}: ${text}`)

describe('the versions of the file format', () => {
  it('are 3.x, and 1.1 and 2.1, also as the numbers that YAML makes of them', () => {
    assert.deepEqual(['3.0', 3, 3.1, '1.1', 1.1, '2.1', '4.0', undefined, '30'].map(formatOf), [
      'current',
      'current',
      'current',
      'old',
      'old',
      'old',
      'unknown',
      'unknown',
      'unknown',
    ])
  })

  it('give a path of an old file the ~ that Kong 3.9.3 gives it', () => {
    // As recorded: kong-reference, dbless-old-formats.
    const recorded = {
      '/plain': '/plain',
      '/dot.html': '/dot.html',
      '/rx/\\d+': '~/rx/\\d+',
      '/grp/(?<id>[a-z]+)$': '~/grp/(?<id>[a-z]+)$',
      '/star*': '~/star*',
      '/y/[0-9]+': '~/y/[0-9]+',
    }
    for (const [before, after] of Object.entries(recorded)) assert.equal(convertPath(before), after)
  })

  it('are converted, and that is said', () => {
    const file = (version: string) => `_format_version: "${version}"
services:
- { name: s, host: h, routes: [{ name: r, paths: ["/a", "/b/\\\\d+"] }] }
`
    const old = declared(file('1.1'))
    assert.deepEqual(old.entities[1]?.fields.paths, ['/a', '~/b/\\d+'])
    assert.deepEqual(old.notices, ['0.yaml: format 1.1 read as 3.0: 1 path taken as regular expressions (~)'])
    const current = declared(file('3.0'))
    assert.deepEqual(current.entities[1]?.fields.paths, ['/a', '/b/\\d+'])
    assert.deepEqual(current.notices, [])
  })

  it('are left alone where the ~ of Kong 3 stands already, as older decKs wrote it', () => {
    const { entities, problems, notices } = declared(
      '_format_version: "1.1"\nroutes: [{ name: r, paths: [~/a, "/b/\\\\d"] }]\n',
    )
    assert.deepEqual(problems, [])
    assert.deepEqual(entities[0]?.fields.paths, ['~/a', '/b/\\d'])
    assert.deepEqual(notices, [
      '0.yaml: format 1.1 read as 3.0: its regular expressions begin with ~ already',
    ])
  })
})

describe('an entity in a file', () => {
  it('takes a null as the default, at any depth, and drops comments', () => {
    const { entities, problems } = declared(`_format_version: "3.0"
services:
- name: s
  host: h
  retries: null
  path: ~
  _comment: the first one
  _ignore: [{ x: 1 }]
  plugins:
  - { name: acl, config: { allow: [a], deny: null, redis: { host: null, port: 1 } } }
`)
    assert.deepEqual(problems, [])
    assert.deepEqual(
      entities.map(({ fields }) => fields),
      [
        { name: 's', host: 'h' },
        { name: 'acl', config: { allow: ['a'], redis: { port: 1 } } },
      ],
    )
  })

  it('shares defaults and plugin configurations with the other files of the run', () => {
    const { entities, problems } = declared(
      '_format_version: "3.0"\n_info: { defaults: { service: { retries: 1 } } }\n_plugin_configs: { one: { minute: 5 } }\n',
      '_format_version: "3.0"\nservices: [{ name: s, plugins: [{ name: rate-limiting, _config: one }] }]\n',
    )
    assert.deepEqual(problems, [])
    assert.deepEqual(
      entities.map(({ fields }) => fields),
      [
        { retries: 1, name: 's' },
        { name: 'rate-limiting', config: { minute: 5 } },
      ],
    )
  })

  it('is refused where two files of the run have different defaults', () => {
    const file = (retries: number) =>
      `_format_version: "3.0"\n_info: { defaults: { service: { retries: ${retries} } } }\n`
    assert.deepEqual(textsOf(declared(file(1), file(1))), [])
    assert.deepEqual(textsOf(declared(file(1), file(2))), [
      '1.yaml:2: another file of this run says something else',
    ])
  })
})

describe('a key of the whole file', () => {
  const problemsOf = (line: string) => textsOf(declared(`_format_version: "3.0"\n${line}\n`))

  it('that has no meaning here is refused with its name or place, as by decK', () => {
    assert.match(problemsOf('_transform: false').join(), /^0\.yaml:2: _transform: false is not supported/)
    assert.deepEqual(problemsOf('_transform: maybe'), ['0.yaml:2: must be true'])
    assert.deepEqual(problemsOf('_plugin_configs: [a]'), [
      '0.yaml:2: must be a map: configurations by their names',
    ])
    assert.deepEqual(problemsOf('_plugin_configs: { a: 5 }'), [
      '0.yaml:2: must be a map: the configuration of a plugin',
    ])
    assert.match(problemsOf('_workspace: team').join(), /Kong Enterprise/)
    assert.match(problemsOf('_konnect: { control_plane_name: x }').join(), /Kong Konnect/)
    assert.match(
      problemsOf('_info: { defaults: { services: { retries: 1 } } }').join(),
      /did you mean service/,
    )
    assert.match(problemsOf('_foo: 1').join(), /unknown/)
  })

  it('that changes nothing is accepted', () => {
    for (const line of [
      '_transform: true',
      '_workspace: default',
      '_comment: hello',
      '_ignore: [x]',
      '_plugin_configs:',
    ])
      assert.deepEqual(problemsOf(line), [], line)
  })
})

describe('an expression', () => {
  const env = { A: 'value' }
  const resultOf = (source: string, given = env as Record<string, string>) => {
    const result = evaluate(source, given)
    return 'value' in result ? result.value : result.problem
  }

  it('may have escaped quotes, in a scalar in quotes or in its default', () => {
    assert.equal(resultOf('env \\"A\\"'), 'value')
    assert.equal(resultOf("env ''A''"), 'value')
    assert.equal(resultOf('env "B" | default "say \\"no\\" | yes"'), 'say "no" | yes')
    assert.equal(resultOf('env "A" | toInt | indent 2'), 'value')
    const { content } = readSource('a: "${{ env \\"A\\" }}"', 'f', env)
    assert.deepEqual(content, { a: 'value' })
  })

  it('that is something else is refused with its text', () => {
    assert.equal(resultOf('env A'), '${{ env A }} is not understood; write ${{ env "NAME" }}')
    assert.equal(resultOf('env "A" | shell'), '${{ env "A" | shell }}: unknown function')
    assert.equal(resultOf('env "B"'), 'the environment variable B is not set')
  })

  it('without a value leaves the rest of the file readable', () => {
    const source = readSource('a: ${{ env "NOPE" }}\nb: { c: 1 }\nd: [x, "${{ env `NOPE` }}"]\n', 'f', env)
    assert.deepEqual(
      source.problems.map(({ position }) => position.line),
      [1, 3],
    )
    assert.deepEqual(
      [['a'], ['b'], ['b', 'c'], ['d'], ['d', 0], ['d', 1], []].map(path => source.isUnresolved(path)),
      [true, false, false, true, false, true, true],
    )
  })
})

describe('a suggestion', () => {
  it('is the name that is nearly the same', () => {
    const names = ['services', 'routes', 'plugins']
    assert.deepEqual(
      ['service', 'Routes', 'plugnis', 'teapots'].map(name => closest(name, names)),
      ['services', 'routes', 'plugins', undefined],
    )
  })
})
