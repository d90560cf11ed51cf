import type { FastifySchemaValidationError } from 'fastify'
import type { Fault } from './problem.ts'

/** What a schema has against a request, in the codes that entities use, one fault a place. */
export function faultsOfValidation(
  errors: readonly FastifySchemaValidationError[],
  place: string,
): readonly Fault[] {
  const faults = errors
    .flatMap(error => faultsOf(error))
    .map(fault => ({ ...fault, ...placed(fault, place) }))
  const byPointer = new Map<string, Fault>()
  // Of a union each variant complains, and the union last.
  for (const fault of faults)
    if (fault.code === 'union' || !byPointer.has(fault.pointer)) byPointer.set(fault.pointer, fault)
  return [...byPointer.values()].map(fault =>
    fault.code === 'union' ? { ...fault, code: 'invalid' } : fault,
  )
}

function faultsOf({
  instancePath,
  keyword,
  message = 'is wrong',
  params,
}: FastifySchemaValidationError): readonly Fault[] {
  const lists = params as Record<string, readonly string[] | undefined>
  const at = (code: string, detail: string): Fault => ({ pointer: instancePath, code, detail })
  const inside = (names: readonly string[] = [], code: string, detail: string) =>
    names.map(name => ({ pointer: `${instancePath}/${escaped(name)}`, code, detail: `${name}: ${detail}` }))
  switch (keyword) {
    case 'required':
      return inside(lists.requiredProperties, 'required', 'required field missing')
    case 'additionalProperties':
      return inside(lists.additionalProperties, 'unknown_field', 'unknown field')
    case 'boolean':
      // Told as an unknown field.
      return []
    case 'enum':
      return [at('invalid', `must be one of ${lists.allowedValues?.join(', ')}`)]
    case 'const':
      return [at('invalid', `must be ${JSON.stringify(params.allowedValue)}`)]
    case 'anyOf':
      return [at('union', 'is none of what is taken here')]
    case 'type':
      return [at('type', message)]
    default:
      return [at('invalid', message)]
  }
}

const escaped = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1')

/** Parameters are named by `?name`, their value being the whole of it. */
const placed = ({ pointer }: Fault, place: string) =>
  place === 'body' ? {} : { pointer: `?${pointer.slice(1)}` }
