import { BlockList, isIPv6 } from 'node:net'
import { messageOf } from '../../../foundation/errors.ts'
import { shownSpot } from '../../entities/expression.ts'
import type { PathMatch } from './criteria.ts'
import { type FieldType, findField, type Value } from './expression-fields.ts'
import {
  type Expression,
  ExpressionError,
  type Literal,
  type Predicate,
  parseExpression,
} from './expression-parser.ts'
import { toSearchRegExp } from './regex.ts'
import type { RoutedRequest } from './route.ts'

/** What the predicates of one expression found, also those of branches that did not hold in the end. */
interface Found {
  /** What `http.path` matched. */
  text: string | undefined
  captures: RegExpExecArray | undefined
}

type Test = (request: RoutedRequest, found: Found) => boolean

/**
 * Compiles an expression of Kong's router.
 *
 * @throws ExpressionError for one that atc-router would refuse; SyntaxError for a regular expression that only Rust
 * knows
 */
export function compileExpression(source: string): (request: RoutedRequest) => PathMatch | undefined {
  // The old name of a field, which Kong still takes.
  const test = compile(parseExpression(source.replace(/net\.port(\s*)([=><!])/g, 'net.dst.port$1$2')))
  return request => {
    const found: Found = { text: undefined, captures: undefined }
    return test(request, found) ? { text: found.text ?? '', captures: found.captures } : undefined
  }
}

/** Why Kong's router would refuse an expression, in its words; nothing where it takes it. */
export function expressionFault(source: string): string | undefined {
  try {
    compileExpression(source)
    return undefined
  } catch (error) {
    if (!(error instanceof ExpressionError)) return messageOf(error)
    const { message, at } = error
    return message.startsWith('expected') ? shownSpot(source, { at, length: 1, reason: message }) : message
  }
}

function compile(expression: Expression): Test {
  switch (expression.kind) {
    case 'and': {
      const [left, right] = [compile(expression.left), compile(expression.right)]
      return (request, found) => left(request, found) && right(request, found)
    }
    case 'or': {
      const [left, right] = [compile(expression.left), compile(expression.right)]
      return (request, found) => left(request, found) || right(request, found)
    }
    case 'not': {
      const inner = compile(expression.inner)
      return (request, found) => !inner(request, found)
    }
    default:
      return compilePredicate(expression)
  }
}

/** A field without a value matches nothing, whatever is asked of it. */
function compilePredicate(predicate: Predicate): Test {
  const field = findField(predicate.field)
  if (!field) throw new ExpressionError('Unknown LHS field', 0)
  const fault = typeFault(predicate, field.type)
  if (fault !== undefined) throw new ExpressionError(fault, 0)
  const compare = compileOperator(predicate)
  const isPath = predicate.field === 'http.path'
  const test = (value: Value, found: Found): boolean => {
    const shown = predicate.lower && typeof value === 'string' ? value.toLowerCase() : value
    return compare(shown, found, isPath)
  }
  return (request, found) => {
    const values = field.read(request)
    if (!Array.isArray(values)) return values !== undefined && test(values as Value, found)
    return predicate.any
      ? values.some(value => test(value, found))
      : values.length > 0 && values.every(value => test(value, found))
  }
}

function typeFault({ operator, literal, lower }: Predicate, type: FieldType): string | undefined {
  if (!['~', 'in', 'not in'].includes(operator) && literal.type !== type)
    return 'Type mismatch between the LHS and RHS values of predicate'
  if (lower && type !== 'String')
    return 'lower-case transformation function only supported with String type fields'
  const only = (wanted: FieldType, text: string) => (type === wanted ? undefined : text)
  switch (operator) {
    case '~':
      if (literal.type !== 'String') return 'regex operator can only be used with String operands'
      return only('String', 'Regex operators only supports string operands')
    case '^=':
    case '=^':
      return only('String', 'Regex/Prefix/Postfix operators only supports string operands')
    case '>=':
    case '>':
    case '<=':
    case '<':
      return only(
        'Int',
        'Greater/GreaterOrEqual/Lesser/LesserOrEqual operators only supports integer operands',
      )
    case 'contains':
      return only('String', 'Contains operator only supports string operands')
    case 'in':
    case 'not in':
      return type === 'IpAddr' && literal.type === 'IpCidr'
        ? undefined
        : 'In/NotIn operators only supports IP in CIDR'
    default:
      return undefined
  }
}

type Compare = (value: Value, found: Found, isPath: boolean) => boolean

function compileOperator({ operator, literal }: Predicate): Compare {
  const wanted = operandOf(literal)
  const text = String(wanted)
  const noted =
    (test: (value: Value) => boolean): Compare =>
    (value, found, isPath) => {
      const isMatch = test(value)
      if (isMatch && isPath) found.text = text
      return isMatch
    }
  switch (operator) {
    case '==':
      return noted(value => value === wanted)
    case '!=':
      return value => value !== wanted
    case '^=':
      return noted(value => String(value).startsWith(text))
    case '=^':
      return noted(value => String(value).endsWith(text))
    case 'contains':
      return value => String(value).includes(text)
    case '~':
      return compileRegex(literal)
    case '>':
      return value => value > wanted
    case '>=':
      return value => value >= wanted
    case '<':
      return value => value < wanted
    case '<=':
      return value => value <= wanted
    default:
      return compileNetwork(text, operator === 'in')
  }
}

/** Texts are compared as the bytes that stand on the wire. */
const operandOf = ({ type, value }: Literal): Value =>
  type === 'String' ? Buffer.from(value, 'utf8').toString('latin1') : value

function compileRegex({ value }: Literal): Compare {
  const pattern = toSearchRegExp(String(value))
  return (subject, found, isPath) => {
    const match = pattern.exec(String(subject))
    if (!match) return false
    if (isPath) found.text = match[0]
    if (match.length > 1) found.captures = match
    return true
  }
}

function compileNetwork(range: string, isIn: boolean): Compare {
  const [address = '', bits = ''] = range.split('/')
  const list = new BlockList()
  list.addSubnet(address, Number(bits), isIPv6(address) ? 'ipv6' : 'ipv4')
  return value => list.check(String(value), isIPv6(String(value)) ? 'ipv6' : 'ipv4') === isIn
}
