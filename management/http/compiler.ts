import type { FastifySchemaCompiler } from 'fastify'
import { Compile, type TSchema } from '../../foundation/typebox.ts'
import { isObject } from '../../kong/schema/spec.ts'

/**
 * Compiles schemas into checks. Parameters come as text: what is an integer, a number or a flag by its schema is read
 * as such where the text is one, and nothing else is (TypeBox's own conversion reads `true` as 1).
 */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const checker = Compile(schema)
  const properties = (schema as { readonly properties?: Readonly<Record<string, unknown>> }).properties ?? {}
  return (value: unknown) => {
    const read = httpPart === 'body' || !isObject(value) ? value : readTexts(value, properties)
    return checker.Check(read) ? { value: read } : { error: checker.Errors(read) }
  }
}

const readTexts = (given: Readonly<Record<string, unknown>>, properties: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(
    Object.entries(given).map(([name, value]) => {
      const property = Object.hasOwn(properties, name) ? properties[name] : undefined
      return [name, typeof value === 'string' && isObject(property) ? readText(value, property.type) : value]
    }),
  )

function readText(text: string, type: unknown): unknown {
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text
  if (type === 'integer' && /^-?\d{1,15}$/.test(text)) return Number(text)
  return type === 'number' && /^-?\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : text
}
