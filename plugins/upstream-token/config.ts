import { type Static, Type } from '../../sdk/sdk.ts'

/** Verifiers drop a token that lives longer; keys that signed are published for as long after their last signature. */
export const LONGEST_LIFE_S = 3_600
export const LARGEST_SKEW_S = 300

/** `config` of the plugin in Kong. */
export const TokenConfig = Type.Object(
  {
    header: Type.String({
      default: 'Sluice-Token',
      minLength: 1,
      maxLength: 100,
      match: '^[A-Za-z0-9-]+$',
      description: 'name of the header that holds the token; one that the client sends is always replaced',
    }),
    issuer: Type.String({
      default: 'sluice',
      minLength: 1,
      maxLength: 200,
      description: 'claim `iss`, which verifiers check',
    }),
    audience: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 200,
        description: 'claim `aud`; the name of the service by default, its host where it has no name',
      }),
    ),
    expires_in: Type.Integer({
      default: 300,
      minimum: 30,
      maximum: LONGEST_LIFE_S,
      description: 'how long a token is good, seconds; one is used for up to 80 % of that',
    }),
    clock_skew: Type.Integer({
      default: 30,
      minimum: 0,
      maximum: LARGEST_SKEW_S,
      description: 'how far the clock of a service may be behind, seconds: `iat` lies that long before now',
    }),
    subject: Type.Union([Type.Literal('username'), Type.Literal('custom_id'), Type.Literal('id')], {
      default: 'username',
      description: 'what of the consumer is the claim `sub`; its id where it has no such field',
    }),
    anonymous_consumers: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      description: 'usernames or ids of consumers that stand for nobody: `sub` is then `anonymous`',
    }),
    claims_from: Type.Array(Type.String({ minLength: 1, maxLength: 200 }), {
      default: ['sub'],
      maxItems: 8,
      description:
        'claims of a JWT that Kong verified: the first that it has becomes `act_sub`. Empty: none, and Kong is not asked for the JWT',
    }),
    route: Type.Boolean({
      default: false,
      description:
        'add the claim `route`, the name of the route, its id where it has none; asks Kong once more',
    }),
  },
  { additionalProperties: false },
)
export type TokenConfig = Static<typeof TokenConfig>
