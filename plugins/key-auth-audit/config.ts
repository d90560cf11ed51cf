import { type Static, Type } from '../../sdk/sdk.ts'

/** `config` of the plugin in Kong. */
export const AuditConfig = Type.Object(
  {
    key_names: Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
      default: ['apikey'],
      minItems: 1,
      description:
        'names of the header or query parameter that holds the key, as in key-auth; the log data does not tell',
    }),
    hide_credentials: Type.Boolean({
      default: false,
      description:
        'whether key-auth hides credentials here: a key in a header is then gone before it can be seen',
    }),
    sample: Type.Number({
      default: 1,
      minimum: 0,
      maximum: 1,
      description: 'share of granted requests that is recorded; failures always are',
    }),
    anonymize_ip: Type.Boolean({
      default: false,
      description: 'keep only the network of an address: /24 of IPv4, /48 of IPv6',
    }),
    path: Type.Union([Type.Literal('masked'), Type.Literal('full'), Type.Literal('none')], {
      default: 'masked',
      description:
        'what is kept of the path: `masked` hides segments that look like a credential, `full` only the keys that the request itself carries, `none` all of it',
    }),
    brute_force: Type.Object({
      failures: Type.Integer({
        default: 20,
        minimum: 1,
        maximum: 1_000_000,
        description: 'failures of one address within the window that are reported',
      }),
      addresses: Type.Integer({
        default: 10,
        minimum: 2,
        maximum: 1_000,
        description: 'addresses that try the same unknown key within the window that are reported',
      }),
      window_seconds: Type.Integer({ default: 60, minimum: 1, maximum: 86_400 }),
    }),
    acknowledge: Type.Union([Type.Literal('durable'), Type.Literal('received')], {
      default: 'durable',
      description:
        'when Kong is answered: `durable`, once the record is on disk; `received`, at once, which costs Kong and the plugin server less, and loses the records of up to some 20 ms with a process that is killed',
    }),
    first_seen: Type.Boolean({
      default: true,
      description:
        'report a credential that is used from a network that this process has not seen it come from',
    }),
  },
  { additionalProperties: false },
)
export type AuditConfig = Static<typeof AuditConfig>
