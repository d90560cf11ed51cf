/**
 * YAML as Kong reads it: by lyaml 6.2, whose plain scalars are those of YAML 1.1 but for `y` and `n`, and whose merge
 * keys and repeated keys are its own (lyaml/implicit.lua). `off` is false, `010` is eight, `1:30` is ninety.
 */
import { parse, type ScalarTag, stringify, YAMLParseError } from '../../../foundation/yaml.ts'

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

/** @throws Error with what is wrong and where, in the words of lyaml. */
export function parseYaml(text: string): unknown {
  try {
    // Of a repeated key the last counts.
    return parse(text, { schema: 'failsafe', customTags: [...TAGS], merge: true, uniqueKeys: false })
  } catch (error) {
    if (error instanceof YAMLParseError) throw new Error(faultOf(error, text))
    throw error
  }
}

/** What libyaml says of the common faults, by the code of the parser; at the start where it tells no better place. */
const FAULTS: Readonly<Record<string, string>> = {
  BAD_SCALAR_START: '1:1: found character that cannot start any token',
  TAB_AS_INDENT: '1:1: found character that cannot start any token',
  BAD_DQ_ESCAPE: '1:1: found unknown escape character',
}

function faultOf({ code, message, linePos, pos }: YAMLParseError, text: string): string {
  if (/^Missing closing/.test(message)) return '1:1: found unexpected end of stream'
  const flow = /^Flow (sequence|map)/.exec(message)
  if (flow) {
    const before = text.slice(0, pos[0]).trimEnd()
    const start = before.search(/[^\s,[\]{}:]+$/)
    const lines = before.slice(0, start < 0 ? before.length : start).split('\n')
    return `${lines.length}:${lines.at(-1)!.length + 1}: did not find expected ',' or '${flow[1] === 'map' ? '}' : ']'}'`
  }
  const { line, col } = linePos?.[0] ?? { line: 1, col: 1 }
  const fault =
    code === 'BLOCK_AS_IMPLICIT_KEY' ? 'mapping values are not allowed in this context' : undefined
  return FAULTS[code] ?? `${line}:${col}: ${fault ?? 'did not find expected key'}`
}

/** Text that `parseYaml` would take for something else is quoted. */
export const writeYaml = (tree: unknown): string =>
  stringify(tree, {
    nullStr: '~',
    indentSeq: false,
    singleQuote: true,
    customTags: known => [...known, ...TAGS],
  })
