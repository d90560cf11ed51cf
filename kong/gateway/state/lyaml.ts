/**
 * YAML as Kong reads it: by lyaml 6.2, whose plain scalars are those of YAML 1.1 but for `y` and `n`, and whose merge
 * keys and repeated keys are its own (lyaml/implicit.lua). `off` is false, `010` is eight, `1:30` is ninety.
 */
import { parse, type ScalarTag, stringify } from 'yaml'

type Read = (match: RegExpExecArray) => unknown

const whole =
  (base: number): Read =>
  ([, sign, digits]) =>
    (sign === '-' ? -1 : 1) * Number.parseInt(digits!.replaceAll('_', ''), base)

const sexagesimal: Read = ([, sign, places, fraction = '']) => {
  const sum = places!.match(/\d+/g)!.reduce((above, digits) => above * 60 + Number(digits), 0)
  return (sign === '-' ? -1 : 1) * (sum + Number(`0${fraction}`))
}

/** The first that matches counts; what matches none is text. */
const FORMS: readonly (readonly [tag: 'null' | 'int' | 'float' | 'bool', test: RegExp, read: Read])[] = [
  ['null', /^(?:|~|null|Null|NULL)$/, () => null],
  ['int', /^([+-]?)0_*([0-7][0-7_]*)$/, whole(8)],
  ['int', /^([+-]?)_*([0-9][0-9_]*)$/, whole(10)],
  [
    'float',
    /^[+-]?_*(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?_*[0-9][0-9_]*)?$/,
    ([text]) => Number(text.replaceAll('_', '')),
  ],
  ['bool', /^(?:true|True|TRUE|yes|Yes|YES|on|On|ON)$/, () => true],
  ['bool', /^(?:false|False|FALSE|no|No|NO|off|Off|OFF)$/, () => false],
  ['float', /^[+]?\.(?:inf|Inf|INF)$/, () => Number.POSITIVE_INFINITY],
  ['float', /^-\.(?:inf|Inf|INF)$/, () => Number.NEGATIVE_INFINITY],
  ['float', /^\.(?:nan|NaN|NAN)$/, () => Number.NaN],
  ['int', /^([+-]?)0x_*([0-9a-fA-F][0-9a-fA-F_]*)$/, whole(16)],
  ['int', /^([+-]?)0b_*([01][01_]+)$/, whole(2)],
  ['float', /^([+-]?)([0-9]+:[0-5]?[0-9][:0-9]*)(\.[0-9]+)?$/, sexagesimal],
]

const TAGS: readonly ScalarTag[] = FORMS.map(([tag, test, read]) => ({
  tag: `tag:yaml.org,2002:${tag}`,
  default: true,
  test,
  resolve: text => read(test.exec(text)!),
}))

/** @throws what is wrong with the text, with its place. */
export const parseYaml = (text: string): unknown =>
  // Of a repeated key the last counts.
  parse(text, { schema: 'failsafe', customTags: [...TAGS], merge: true, uniqueKeys: false })

/** Text that `parseYaml` would take for something else is quoted. */
export const writeYaml = (tree: unknown): string =>
  stringify(tree, { nullStr: '~', customTags: known => [...known, ...TAGS] })
