import assert from 'node:assert/strict'
import fc from 'fast-check'
import { parseYaml, writeYaml } from '../../../../kong/gateway/state/lyaml.ts'

/** What the lyaml of a Kong 3.9.3 made of each. */
const PLAIN: readonly (readonly [text: string, value: unknown])[] = [
  ['off', false],
  ['Yes', true],
  ['on', true],
  ['no', false],
  ['TRUE', true],
  ['y', 'y'],
  ['n', 'n'],
  ['N', 'N'],
  ['oN', 'oN'],
  ['012', 10],
  ['08', 8],
  ['-0', 0],
  ['_1', 1],
  ['1_000', 1000],
  ['1_000.5', 1000.5],
  ['0o17', '0o17'],
  ['0x1F', 31],
  ['0b11', 3],
  ['0b1', '0b1'],
  ['.5', 0.5],
  ['1.', 1],
  ['1e3', 1000],
  ['1.5.2', '1.5.2'],
  ['.inf', Number.POSITIVE_INFINITY],
  ['-.Inf', Number.NEGATIVE_INFINITY],
  ['1:30', 90],
  ['-1:30.5', -90.5],
  ['1:30:00', 5400],
  ['127.0.0.1:80', '127.0.0.1:80'],
  ['2020-01-02', '2020-01-02'],
  ['null', null],
  ['~', null],
  ['', null],
  ['=', '='],
  ['"off"', 'off'],
  ["'012'", '012'],
  ['!!str off', 'off'],
  ['!!bool yes', true],
]

describe('YAML as Kong reads it', () => {
  for (const [text, value] of PLAIN)
    it(`takes ${text || 'nothing'} for ${typeof value === 'string' ? `the text ${value}` : value}`, () => {
      const tree = parseYaml(`a: ${text}\n`) as { a: unknown }
      assert.ok(tree.a === value, String(tree.a))
    })

  it('lets the last of repeated keys count, and merges', () => {
    assert.deepEqual(parseYaml('a: 1\na: 2\n'), { a: 2 })
    assert.deepEqual(parseYaml('x: &x {a: 1, b: 2}\ny: {<<: *x, a: 3}\n'), {
      x: { a: 1, b: 2 },
      y: { a: 3, b: 2 },
    })
  })

  it('reads back whatever it writes', () => {
    const words = fc.constantFrom(...PLAIN.map(([text]) => text))
    const leaf = fc.oneof(words, fc.string(), fc.integer(), fc.boolean(), fc.constant(null))
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-z]{2,8}$/), fc.array(leaf)), tree => {
        assert.deepEqual(parseYaml(writeYaml(tree)), { ...tree })
      }),
    )
  })
})
