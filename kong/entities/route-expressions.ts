import { withRules } from '../schema/rules.ts'
import type { EntityCheck, SchemaSpec } from '../schema/spec.ts'
import { isObject } from '../schema/spec.ts'
import type { EntityDefinition } from './entity.ts'
import { checkRouteExpression } from './expression.ts'

/** What the router says of an expression; nothing where it takes it. */
export type CheckExpression = (expression: string) => string | undefined

type RouteFields = Readonly<Record<string, unknown>>

const CRITERIA = ['snis', 'sources', 'destinations', 'methods', 'hosts', 'paths', 'headers']

/**
 * Routes of a Kong with `router_flavor = expressions`: they may have an expression with a priority instead of the
 * usual criteria, and HTTP routes may name sources and destinations.
 */
export function routesByExpression(
  { schema, subschemas }: EntityDefinition,
  check: CheckExpression,
): Pick<EntityDefinition, 'schema' | 'subschemas'> {
  const fields = [
    ...schema.fields,
    { expression: { type: 'string', description: 'The route expression.' } },
    {
      priority: {
        type: 'integer',
        between: [0, 2 ** 46 - 1],
        required: true,
        default: 0,
        description:
          'A number used to specify the matching order for expression routes. The higher the `priority`, the sooner an route will be evaluated. This field is ignored unless `expression` field is set.',
      },
    },
  ] as const
  const checks = [() => undefined, (route: RouteFields) => checkCriteria(route, check)]
  return {
    schema: withRules({ ...schema, fields }, { '': { checks } }),
    subschemas: Object.fromEntries(
      Object.entries(subschemas).map(([protocol, spec]) => [protocol, withExpression(spec)]),
    ),
  }
}

function withExpression(spec: SchemaSpec): SchemaSpec {
  const { fields, entity_checks = [] } = spec
  return {
    ...spec,
    fields: fields.filter(field => !('sources' in field) && !('destinations' in field)),
    entity_checks: entity_checks.map(orExpression),
  }
}

/** An expression will do where one of several fields is asked for. */
function orExpression({ conditional_at_least_one_of: demand, ...check }: EntityCheck): EntityCheck {
  if (!isObject(demand)) return check
  const withOne = (names: unknown) => (Array.isArray(names) ? [...names, 'expression'] : names)
  const { then_at_least_one_of, else_then_at_least_one_of } = demand
  return {
    conditional_at_least_one_of: {
      ...demand,
      then_at_least_one_of: withOne(then_at_least_one_of),
      ...(else_then_at_least_one_of !== undefined && {
        else_then_at_least_one_of: withOne(else_then_at_least_one_of),
      }),
    },
  }
}

const isFilled = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.keys(value).length > 0

function checkCriteria(route: RouteFields, check: CheckExpression): string | undefined {
  const { expression, priority, regex_priority } = route
  const hasCriteria = CRITERIA.some(name => isFilled(route[name]))
  const given = typeof expression === 'string' && expression !== '' ? expression : undefined
  const together = (one: string, others: string) =>
    `Router Expression failed validation: cannot set '${one}' with ${others} simultaneously`
  const criteria = "'methods', 'hosts', 'paths', 'headers', 'snis', 'sources' or 'destinations'"
  if (given !== undefined && hasCriteria) return together('expression', criteria)
  if (given !== undefined && regex_priority) return together('regex_priority', "'expression'")
  if (hasCriteria && priority) return together('priority', criteria)
  if (given === undefined) return checkRouteExpression(route)
  const fault = check(given)
  return fault && `Router Expression failed validation: ${fault}`
}
