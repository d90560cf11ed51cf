import { isCollection } from '../../entities/entities.ts'
import { recordedNames, recordedSchema } from '../../entities/recorded.ts'
import { createSchema } from '../../schema/schema.ts'
import { entryOf, type NamedField, type SchemaSpec } from '../../schema/spec.ts'
import { schemaViolation } from '../state/errors.ts'
import type { EntityStore } from '../state/store.ts'
import { type Answer, message, ok } from './answer.ts'
import type { Methods, Resolve } from './route.ts'

/** Entities that Kong has schemas of, and this gateway no paths. */
const OTHERS = new Set(recordedNames('entities').filter(name => !isCollection(name)))

/** `/schemas/routes`, `/schemas/plugins/cors`, `/schemas/routes/validate`. */
export function createSchemaResolve(store: EntityStore): Resolve {
  return ([first, name, last, ...more]) => {
    if (first !== 'schemas' || name === undefined || more.length > 0) return undefined
    if (last === undefined) return { GET: () => entitySchema(store, name) }
    if (last === 'validate') return validation(store, name)
    if (name === 'plugins' || name === 'vaults') return { GET: () => subschema(store, name, last) }
    return name === 'filters' ? { GET: () => message(404, `Filter '${last}' not found`) } : undefined
  }
}

function entitySchema(store: EntityStore, name: string): Answer {
  if (isCollection(name)) return ok(published(store.schemas[name].spec))
  return OTHERS.has(name)
    ? ok(published(recordedSchema('entities', name)))
    : message(404, `No entity named '${name}'`)
}

function subschema(store: EntityStore, kind: 'plugins' | 'vaults', name: string): Answer {
  const spec = store.schemas[kind].subschemas.get(name)
  return spec ? ok(published(spec)) : message(404, `No ${kind.slice(0, -1)} named '${name}'`)
}

/** `/plugins/schema/cors`, an older path: the fields of the configuration alone. */
export function configurationSchema(store: EntityStore, name: string): Answer {
  const spec = store.schemas.plugins.subschemas.get(name)
  const config = spec?.fields.map(entryOf).find(([field]) => field === 'config')?.[1]
  return config ? ok(published({ fields: [], ...config })) : message(404, `No plugin named '${name}'`)
}

function validation(store: EntityStore, name: string): Methods {
  return {
    POST(request) {
      // The texts of a form stay texts: Kong looks for numbers in JSON only.
      if (isCollection(name)) store.validate(name, request.body)
      else if (OTHERS.has(name)) validateOther(name, request.body)
      else return message(404, `No entity named '${name}'`)
      return ok({ message: 'schema validation successful' })
    },
  }
}

function validateOther(name: string, body: Readonly<Record<string, unknown>>): void {
  const schema = createSchema(recordedSchema('entities', name))
  const wrong = schema.check(schema.fill(body, 'insert'))
  if (wrong) throw schemaViolation(wrong)
}

/** Functions are no JSON and fall away; a list of entity checks is always there. */
const published = (spec: SchemaSpec): unknown => ({
  entity_checks: spec.entity_checks ?? [],
  fields: spec.fields.map(requiredRecords),
})

/** Records within records are required unless they say otherwise. */
function requiredRecords(field: NamedField): NamedField {
  const [name, spec] = entryOf(field)
  if (spec.type !== 'record' || spec.abstract || !spec.fields) return field
  return { [name]: { ...spec, required: spec.required ?? true, fields: spec.fields.map(requiredRecords) } }
}
