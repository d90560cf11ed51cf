import { type Static, Type } from '../../sdk/sdk.ts'
import { MAX_COST } from './limit.ts'

/** The longest window: a leap year, in seconds. */
export const MAX_PER_SECONDS = 31_622_400

const limit = Type.Object(
  {
    name: Type.String({
      pattern: '^[a-z][a-z0-9_-]*$',
      match: '^[a-z][a-z0-9_%-]*$',
      maxLength: 40,
      description: 'stands in header fields, metrics and problem details: minute, hour, day',
    }),
    requests: Type.Integer({
      minimum: 1,
      maximum: 1_000_000_000,
      description: 'how much cost is admitted in each window',
    }),
    per: Type.Optional(
      Type.Number({
        minimum: 0.001,
        maximum: MAX_PER_SECONDS,
        description: 'the window, in seconds; not for algorithm calendar',
      }),
    ),
    burst: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1_000_000_000,
        description: 'gcra only: how much may come at once; `requests` where it is left out',
      }),
    ),
    algorithm: Type.Enum(['gcra', 'sliding', 'calendar'], { default: 'gcra' }),
    period: Type.Optional(
      Type.Enum(['day', 'week', 'month'], { description: 'calendar only: what the quota is for' }),
    ),
    time_zone: Type.String({
      default: 'UTC',
      description: 'calendar only: IANA name, such as Europe/Berlin',
    }),
    shadow: Type.Boolean({ default: false, description: 'decide, count and publish, but never reject' }),
  },
  {
    kong: {
      entity_checks: [
        {
          conditional: {
            if_field: 'algorithm',
            if_match: { eq: 'calendar' },
            then_field: 'period',
            then_match: { required: true },
          },
        },
        {
          conditional: {
            if_field: 'algorithm',
            if_match: { one_of: ['gcra', 'sliding'] },
            then_field: 'per',
            then_match: { required: true },
          },
        },
      ],
    },
  },
)

const tier = Type.Object({
  limits: Type.Array(limit, {
    minItems: 1,
    description: 'all must admit a request, and all are debited, or none',
  }),
  priority: Type.Integer({
    default: 5,
    minimum: 0,
    maximum: 9,
    description: 'under overload the lowest are shed first',
  }),
  on_store_error: Type.Enum(['local', 'open', 'closed'], {
    default: 'local',
    description: 'while Redis is away: a share of the limits in this node, no limits, or 503',
  }),
})

/** The configuration of the plugin qos. */
export const configSchema = Type.Object({
  tiers: Type.Record(Type.String(), tier, {
    minProperties: 1,
    description: 'the limits, by name of the tier',
  }),
  default_tier: Type.String({
    description: 'for consumers without a tier, and for requests without a consumer',
  }),
  tier_by: Type.Optional(
    Type.Object({
      source: Type.Enum(['username', 'custom_id', 'header'], { default: 'username' }),
      header: Type.Optional(Type.String({ description: 'its name, for source header' })),
      map: Type.Record(Type.String(), Type.String(), { description: 'value of the source → tier' }),
    }),
  ),
  limit_by: Type.Array(Type.String(), {
    default: ['consumer'],
    minItems: 1,
    description:
      'whose requests are counted together: consumer, credential, ip, header:<name>, path, service, route, or several',
  }),
  anonymous_consumers: Type.Array(Type.String(), {
    default: [],
    description: 'usernames or ids that Kong gives to requests without credentials; they count as nobody',
  }),
  ipv6_prefix: Type.Integer({ default: 64, minimum: 16, maximum: 128 }),
  trusted_sources: Type.Array(Type.String(), {
    default: [],
    description: 'addresses and networks (CIDR) whose headers may set tier and cost',
  }),
  cost: Type.Object({
    default: Type.Integer({ default: 1, minimum: 1, maximum: MAX_COST }),
    methods: Type.Optional(
      Type.Record(Type.String(), Type.Integer({ minimum: 0, maximum: MAX_COST }), {
        description: 'cost by method, such as POST: 5',
      }),
    ),
    header: Type.Optional(
      Type.String({ description: 'header of a trusted source that names the cost of its request' }),
    ),
  }),
  sync: Type.Enum(['strict', 'leased'], {
    default: 'leased',
    description: 'decided in Redis each time and exact, or tokens taken ahead and within lease_tolerance',
  }),
  lease_tolerance: Type.Number({
    default: 0.05,
    gt: 0,
    maximum: 0.5,
    description: 'how much of a limit all nodes together may hold ahead',
  }),
  shadow: Type.Boolean({ default: false, description: 'decide, count and publish, but never reject' }),
  hide_client_headers: Type.Boolean({ default: false, description: 'no fields on admitted answers' }),
  kong_headers: Type.Boolean({
    default: false,
    description:
      "Kong's own X-RateLimit-* and RateLimit-* fields beside those of the IETF, which have all windows in two fields",
  }),
  error_format: Type.Enum(['problem', 'kong'], {
    default: 'problem',
    description: 'RFC 9457 problem details, or {"message": …, "request_id": …} as Kong writes it',
  }),
  retry_jitter: Type.Number({
    default: 0.1,
    minimum: 0,
    maximum: 1,
    description: 'up to this share is added to Retry-After, so that clients do not come back all at once',
  }),
  near_limit: Type.Number({
    default: 0.8,
    gt: 0,
    maximum: 1,
    description: 'the used share at which qos.near-limit.v1 is published, once a window',
  }),
  on_error: Type.Enum(['closed', 'open'], {
    default: 'open',
    description: 'when the plugin itself fails: 503, or on without a limit',
  }),
})

/** What qos can do besides where it sees the answers, too: as a member of `sluice`. */
export const composedSchema = Type.Object({
  ...configSchema.properties,
  tiers: Type.Record(
    Type.String(),
    Type.Object({
      ...tier.properties,
      concurrency: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 1_000_000,
          description: 'requests of one subject in flight at once',
        }),
      ),
    }),
    { minProperties: 1, description: 'the limits, by name of the tier' },
  ),
  overload: Type.Optional(
    Type.Object(
      {
        initial_limit: Type.Integer({ default: 20, minimum: 1, maximum: 100_000 }),
        min_limit: Type.Integer({ default: 4, minimum: 1, maximum: 100_000 }),
        max_limit: Type.Integer({ default: 1000, minimum: 1, maximum: 100_000 }),
        tolerance: Type.Number({
          default: 1.5,
          minimum: 1,
          maximum: 10,
          description: 'how much slower than usual the upstream may become before its limit shrinks',
        }),
      },
      {
        description:
          'bounds what a service has in flight by how fast it answers, and sheds the lowest priorities first',
      },
    ),
  ),
})

export type Config = Static<typeof configSchema>
export type ComposedConfig = Static<typeof composedSchema>
export type LimitConfig = Config['tiers'][string]['limits'][number]
