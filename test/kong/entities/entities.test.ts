import assert from 'node:assert/strict'
import { COLLECTIONS, type Collection, DEFINITIONS, ENTITIES } from '../../../kong/entities/entities.ts'
import { recordedNames, recordedSchema } from '../../../kong/entities/recorded.ts'
import { createEntitySchemas } from '../../../kong/entities/schemas.ts'
import { entryOf } from '../../../kong/schema/spec.ts'

const fieldsOf = (name: Collection): readonly string[] =>
  ENTITIES[name].schema.fields.map(field => entryOf(field)[0])

describe('the definitions of entities', () => {
  it('give each collection a path of its own, and each parent different paths for what is beneath it', () => {
    const paths = DEFINITIONS.map(({ path }) => path)
    assert.equal(new Set(paths).size, paths.length)
    for (const parent of COLLECTIONS) {
      const beneath = DEFINITIONS.filter(({ references }) => references.some(({ to }) => to === parent))
      assert.equal(new Set(beneath.map(({ nestedPath }) => nestedPath)).size, beneath.length, parent)
    }
  })

  it('name only fields that the schema has, but for those of a request alone', () => {
    for (const entity of DEFINITIONS) {
      const known = [...fieldsOf(entity.name), ...entity.writeOnly]
      const named = [
        ...entity.identity.flat(),
        ...entity.declaredUnique.flat(),
        ...entity.fixed,
        ...entity.secrets,
        ...entity.shownBy,
        ...(entity.cacheKey ?? []),
        ...(entity.together ?? []),
        ...(entity.within ? [entity.within] : []),
        ...(entity.endpointKey ? [entity.endpointKey] : []),
      ]
      assert.deepEqual(
        named.filter(field => !known.includes(field)),
        [],
        entity.name,
      )
    }
  })

  it('keep every field that holds a secret in Kong itself out of sight', () => {
    for (const { name, schema, secrets } of DEFINITIONS) {
      const encrypted = schema.fields.map(entryOf).filter(([, { encrypted }]) => encrypted)
      assert.deepEqual(
        encrypted.map(([field]) => field).filter(field => !secrets.includes(field)),
        [],
        name,
      )
    }
  })

  it('stand behind the entities that they refer to', () => {
    for (const { name, references } of DEFINITIONS)
      for (const { to } of references)
        assert.ok(COLLECTIONS.indexOf(to as Collection) < COLLECTIONS.indexOf(name), `${name} before ${to}`)
  })

  it('publish the recorded schema: rules are functions and do not show', () => {
    const schemas = createEntitySchemas({})
    for (const name of COLLECTIONS) {
      const { fields, entity_checks } = schemas[name].spec
      const { name: _name, ...recorded } = recordedSchema('entities', name)
      assert.deepEqual(JSON.parse(JSON.stringify({ fields, entity_checks })), recorded)
    }
  })

  it('leave out no entity of Kong that has an Admin API', () => {
    const others = recordedNames('entities').filter(name => !(name in ENTITIES))
    assert.deepEqual(others.sort(), [
      'clustering_data_planes',
      'oauth2_authorization_codes',
      'parameters',
      'ratelimiting_metrics',
      'tags',
      'workspaces',
    ])
  })
})
