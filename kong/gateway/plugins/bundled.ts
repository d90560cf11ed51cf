import { acl } from './acl.ts'
import { basicAuth } from './basic-auth.ts'
import { type BundledPlugin, defineIdlePlugin } from './builtin.ts'
import { correlationId } from './correlation-id.ts'
import { jwt } from './jwt.ts'
import { keyAuth } from './key-auth.ts'
import { requestTermination } from './request-termination.ts'

const RUN: readonly BundledPlugin[] = [acl, basicAuth, correlationId, jwt, keyAuth, requestTermination]

/** Known by their schemas, with Kong's priorities, and not run. */
const IDLE = {
  acme: 1_705,
  'ai-prompt-decorator': 772,
  'ai-prompt-guard': 771,
  'ai-prompt-template': 773,
  'ai-proxy': 770,
  'ai-request-transformer': 777,
  'ai-response-transformer': 768,
  'aws-lambda': 750,
  'azure-functions': 749,
  'bot-detection': 2_500,
  cors: 2_000,
  datadog: 10,
  'file-log': 9,
  'grpc-gateway': 998,
  'grpc-web': 3,
  'hmac-auth': 1_030,
  'http-log': 12,
  'ip-restriction': 990,
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

/** Every plugin that Kong 3.9 bundles, by its name; `runs` says whether the gateway executes it. */
export const BUNDLED_PLUGINS: Readonly<Record<string, BundledPlugin>> = Object.fromEntries(
  [...RUN, ...Object.entries(IDLE).map(([name, priority]) => defineIdlePlugin(name, priority))]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(plugin => [plugin.name, plugin]),
)
