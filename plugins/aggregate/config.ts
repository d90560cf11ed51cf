import { type Static, Type } from '../../sdk/sdk.ts'

export const MAX_PARTS = 10
export const LONGEST_TIMEOUT_MS = 30_000

const timeout = (standard: number, description: string) =>
  Type.Integer({ default: standard, minimum: 10, maximum: LONGEST_TIMEOUT_MS, description })

const Part = Type.Object(
  {
    name: Type.String({
      minLength: 1,
      maxLength: 50,
      match: '^[a-z][a-z0-9_]*$',
      description: 'member of the answer that holds it; lower case, digits, `_`',
    }),
    path: Type.String({
      minLength: 1,
      maxLength: 2_000,
      starts_with: '/',
      description:
        "path on Kong's own proxy, with its query. `{query.x}`, `{capture.x}` and `{part.field}` stand for an argument of the request, a named group of the route's path, and a field of another part",
    }),
    needs: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      maxItems: MAX_PARTS,
      description: 'parts that must have succeeded before; those that the path names are needed anyway',
    }),
    optional: Type.Boolean({ default: false, description: 'the answer is complete without it' }),
    fallback: Type.Optional(
      Type.String({
        maxLength: 10_000,
        description: 'JSON that stands for an optional part that failed; null by default',
      }),
    ),
    timeout_ms: timeout(1_000, 'how long the part may take, milliseconds'),
    pick: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 200,
        description: 'field of its answer that is kept, with dots: `data.items`; all of it by default',
      }),
    ),
  },
  { additionalProperties: false },
)

/** `config` of the plugin in Kong. */
export const AggregateConfig = Type.Object(
  {
    parts: Type.Array(Part, {
      minItems: 1,
      maxItems: MAX_PARTS,
      description: 'what the answer is made of; parts whose needs are met are asked for side by side',
    }),
    timeout_ms: timeout(2_000, 'how long the whole may take, milliseconds'),
    max_bytes: Type.Integer({
      default: 1_048_576,
      minimum: 1_024,
      maximum: 8_388_608,
      description: 'size of all parts together, bytes',
    }),
  },
  { additionalProperties: false },
)
export type AggregateConfig = Static<typeof AggregateConfig>
export type PartConfig = AggregateConfig['parts'][number]
