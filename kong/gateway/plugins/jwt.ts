import { httpProtocols, noConsumer } from '../../entities/typedefs.ts'
import type { SchemaSpec } from '../../schema/spec.ts'

const strings = (values?: readonly string[]) =>
  ({ type: 'set', elements: { type: 'string' }, ...(values && { default: values }) }) as const

export const jwt: SchemaSpec = {
  name: 'jwt',
  fields: [
    { consumer: noConsumer },
    { protocols: httpProtocols },
    {
      config: {
        type: 'record',
        required: true,
        fields: [
          { uri_param_names: strings(['jwt']) },
          { cookie_names: strings([]) },
          { key_claim_name: { type: 'string', default: 'iss' } },
          { secret_is_base64: { type: 'boolean', required: true, default: false } },
          { claims_to_verify: { type: 'set', elements: { type: 'string', one_of: ['exp', 'nbf'] } } },
          { anonymous: { type: 'string' } },
          { run_on_preflight: { type: 'boolean', required: true, default: true } },
          { maximum_expiration: { type: 'number', default: 0, between: [0, 31_536_000] } },
          { header_names: strings(['authorization']) },
          { realm: { type: 'string', required: false } },
        ],
      },
    },
  ],
  entity_checks: [
    {
      conditional: {
        if_field: 'config.maximum_expiration',
        if_match: { gt: 0 },
        then_field: 'config.claims_to_verify',
        then_match: { contains: 'exp' },
      },
    },
  ],
}
