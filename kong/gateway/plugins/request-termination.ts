import { headerName, httpProtocols } from '../../entities/typedefs.ts'
import type { SchemaSpec } from '../../schema/spec.ts'

interface Config {
  readonly message?: string | null
  readonly content_type?: string | null
  readonly body?: string | null
  readonly echo?: boolean
}

function checkConfig({ message, content_type, body, echo }: Config): string | undefined {
  if (message && (content_type || body)) return 'message cannot be used with content_type or body'
  if (content_type && !body) return 'content_type requires a body'
  if (echo && (content_type || body)) return 'echo cannot be used with content_type and body'
  return undefined
}

export const requestTermination: SchemaSpec = {
  name: 'request-termination',
  fields: [
    { protocols: httpProtocols },
    {
      config: {
        type: 'record',
        required: true,
        fields: [
          { status_code: { type: 'integer', required: true, default: 503, between: [100, 599] } },
          { message: { type: 'string' } },
          { content_type: { type: 'string' } },
          { body: { type: 'string' } },
          { echo: { type: 'boolean', required: true, default: false } },
          { trigger: headerName },
        ],
        custom_validator: checkConfig,
      },
    },
  ],
}
