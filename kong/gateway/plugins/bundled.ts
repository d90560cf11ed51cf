import { headerName } from '../../entities/typedefs.ts'
import type { SchemaSpec } from '../../schema/spec.ts'
import { recordedSchema, type SchemaRules } from './recorded-schema.ts'

/** A plugin that comes with Kong 3.9. */
export interface BundledPlugin {
  readonly schema: SchemaSpec
  /** Plugins with a higher one run earlier. Kong's own numbers. */
  readonly priority: number
  readonly version: string
}

/** Kong gives all its plugins its own version. */
const VERSION = '3.9.3'

const PRIORITIES: Readonly<Record<string, number>> = {
  acl: 950,
  acme: 1_705,
  'ai-prompt-decorator': 772,
  'ai-prompt-guard': 771,
  'ai-prompt-template': 773,
  'ai-proxy': 770,
  'ai-request-transformer': 777,
  'ai-response-transformer': 768,
  'aws-lambda': 750,
  'azure-functions': 749,
  'basic-auth': 1_100,
  'bot-detection': 2_500,
  'correlation-id': 100_001,
  cors: 2_000,
  datadog: 10,
  'file-log': 9,
  'grpc-gateway': 998,
  'grpc-web': 3,
  'hmac-auth': 1_030,
  'http-log': 12,
  'ip-restriction': 990,
  jwt: 1_450,
  'key-auth': 1_250,
  'ldap-auth': 1_200,
  loggly: 6,
  oauth2: 1_400,
  opentelemetry: 14,
  'post-function': -1_000,
  'pre-function': 1_000_000,
  prometheus: 13,
  'proxy-cache': 100,
  'rate-limiting': 910,
  redirect: 779,
  'request-size-limiting': 951,
  'request-termination': 2,
  'request-transformer': 801,
  'response-ratelimiting': 900,
  'response-transformer': 800,
  session: 1_900,
  'standard-webhooks': 760,
  statsd: 11,
  syslog: 4,
  'tcp-log': 7,
  'udp-log': 8,
  zipkin: 100_000,
}

interface TerminationConfig {
  readonly message?: string | null
  readonly content_type?: string | null
  readonly body?: string | null
  readonly echo?: boolean
}

function checkTermination({ message, content_type, body, echo }: TerminationConfig): string | undefined {
  if (message && (content_type || body)) return 'message cannot be used with content_type or body'
  if (content_type && !body) return 'content_type requires a body'
  if (echo && (content_type || body)) return 'echo cannot be used with content_type and body'
  return undefined
}

const RULES: Readonly<Record<string, SchemaRules>> = {
  'key-auth': { 'config.key_names.elements': headerName },
  'request-termination': { config: { custom_validator: checkTermination }, 'config.trigger': headerName },
}

/** Every plugin that Kong 3.9 bundles, by its name. */
export const BUNDLED_PLUGINS: Readonly<Record<string, BundledPlugin>> = Object.fromEntries(
  Object.entries(PRIORITIES).map(([name, priority]) => [
    name,
    { schema: recordedSchema(name, RULES[name]), priority, version: VERSION },
  ]),
)
