import { type Static, Type } from '../../sdk/sdk.ts'

const share = (description: string) => Type.Number({ default: 1, minimum: 0, maximum: 1, description })

/** `config` of the plugin in Kong. */
export const RequestLogConfig = Type.Object(
  {
    lines: Type.Boolean({ default: true, description: 'write a line a request' }),
    sample: share('share of requests that get a line; errors (5xx, no answer) and slow requests always do'),
    slow_ms: Type.Integer({
      default: 1_000,
      minimum: 1,
      maximum: 3_600_000,
      description: 'a request that took longer is slow, milliseconds',
    }),
    key_names: Type.Array(Type.String({ minLength: 1, maxLength: 100 }), {
      default: ['apikey'],
      description: 'names of headers and query parameters that hold keys, as in key-auth: they are hidden',
    }),
    path: Type.Union([Type.Literal('masked'), Type.Literal('full'), Type.Literal('none')], {
      default: 'masked',
      description:
        'what is kept of the path: `masked` hides segments that look like a credential, `full` only the keys that the request itself carries, `none` all of it',
    }),
    anonymize_ip: Type.Boolean({
      default: false,
      description: 'keep only the network of an address: /24 of IPv4, /48 of IPv6',
    }),
    trace: Type.Boolean({
      default: true,
      description: 'take part in traces, where SLUICE_OTLP_URL is set and no plugin of Kong does it already',
    }),
    trace_sample: share(
      'share of new traces that is recorded; a trace that the client began is as it decided',
    ),
  },
  { additionalProperties: false },
)
export type RequestLogConfig = Static<typeof RequestLogConfig>
