import { acl } from './acl.ts'
import { basicAuth } from './basic-auth.ts'
import { botDetection } from './bot-detection.ts'
import { type BundledPlugin, defineIdlePlugin } from './builtin.ts'
import { correlationId } from './correlation-id.ts'
import { cors } from './cors.ts'
import { fileLog } from './file-log.ts'
import { hmacAuth } from './hmac-auth.ts'
import { httpLog } from './http-log.ts'
import { ipRestriction } from './ip-restriction.ts'
import { jwt } from './jwt.ts'
import { keyAuth } from './key-auth.ts'
import { prometheus } from './prometheus.ts'
import { proxyCache } from './proxy-cache.ts'
import { rateLimiting } from './rate-limiting.ts'
import { redirect } from './redirect.ts'
import { requestSizeLimiting } from './request-size-limiting.ts'
import { requestTermination } from './request-termination.ts'
import { requestTransformer } from './request-transformer.ts'
import { responseRateLimiting } from './response-ratelimiting.ts'
import { responseTransformer } from './response-transformer.ts'

const RUN: readonly BundledPlugin[] = [
  acl,
  basicAuth,
  correlationId,
  jwt,
  keyAuth,
  requestTermination,
  botDetection,
  cors,
  fileLog,
  hmacAuth,
  httpLog,
  ipRestriction,
  prometheus,
  proxyCache,
  rateLimiting,
  redirect,
  requestSizeLimiting,
  requestTransformer,
  responseRateLimiting,
  responseTransformer,
]

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
  datadog: 10,
  'grpc-gateway': 998,
  'grpc-web': 3,
  'ldap-auth': 1_200,
  loggly: 6,
  oauth2: 1_400,
  opentelemetry: 14,
  'post-function': -1_000,
  'pre-function': 1_000_000,
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
