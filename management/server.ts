import cookie from '@fastify/cookie'
import swagger from '@fastify/swagger'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify from 'fastify'
import { KIND_NAMES, KINDS } from '../kong/reconcile/kinds.ts'
import { catalogueRoute } from './catalogue/catalogue-route.ts'
import { apiRoutes } from './changes/api-routes.ts'
import { changeRoutes } from './changes/routes.ts'
import { submitRoutes } from './changes/submit-routes.ts'
import { exportRoutes } from './entities/export-routes.ts'
import { listRoutes } from './entities/list-routes.ts'
import { entityRoutes } from './entities/routes.ts'
import { schemaRoutes } from './entities/schema-routes.ts'
import { guardRoutes } from './http/access.ts'
import { readBodies } from './http/bodies.ts'
import { validatorCompiler } from './http/compiler.ts'
import { answerFrameworkError, answerNoRequest, answerProblems } from './http/errors.ts'
import { observationRoutes } from './http/observations.ts'
import { OPENAPI } from './http/openapi.ts'
import { sendSecureHeaders } from './http/secure-headers.ts'
import { trustedProxies } from './http/trusted-proxies.ts'
import { auditRoutes } from './live/audit-routes.ts'
import { breakerRoutes } from './live/breaker-routes.ts'
import { cacheRoutes } from './live/cache-routes.ts'
import { eventRoutes } from './live/event-routes.ts'
import { limitRoutes } from './live/limit-routes.ts'
import { overviewRoutes } from './live/overview-routes.ts'
import { driftRoutes } from './mirror/drift-routes.ts'
import type { App, Module, Parts } from './module.ts'
import { authenticateBy } from './operators/authenticate.ts'
import { operatorsRoutes } from './operators/operators-routes.ts'
import { operatorRoutes } from './operators/routes.ts'
import { sessionRoutes } from './operators/session-routes.ts'
import { tokenRoutes } from './operators/token-routes.ts'
import { serveReference } from './reference.ts'
import { serveDashboard } from './static.ts'

/** The subjects of the API, a line each. */
const MODULES: readonly Module[] = [
  observationRoutes,
  operatorRoutes,
  sessionRoutes,
  operatorsRoutes,
  tokenRoutes,
  listRoutes,
  entityRoutes,
  changeRoutes,
  submitRoutes,
  driftRoutes,
  schemaRoutes,
  exportRoutes,
  apiRoutes,
  eventRoutes,
  limitRoutes,
  breakerRoutes,
  cacheRoutes,
  auditRoutes,
  overviewRoutes,
  catalogueRoute,
]

/** A body of 1 MiB holds some thousand operations. */
const BODY_LIMIT = 1_048_576

const ENTITY_PATHS: ReadonlySet<string> = new Set(KIND_NAMES.map(name => KINDS[name].path))

const HSTS_SECONDS = 180 * 86_400

/** The HTTP server of the manager, not listening yet. Routes only: what they do stands in their modules. */
export async function createServer(parts: Parts): Promise<App> {
  const app = Fastify({
    logger: false,
    bodyLimit: BODY_LIMIT,
    requestTimeout: 30_000,
    routerOptions: { maxParamLength: 512 },
    trustProxy: trustedProxies(parts.settings),
    frameworkErrors: answerFrameworkError,
    clientErrorHandler: answerNoRequest,
  }).withTypeProvider<TypeBoxTypeProvider>()
  app.setValidatorCompiler(validatorCompiler)
  answerProblems(app, parts.log)
  readBodies(app)
  await sendSecureHeaders(app, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        fontSrc: ["'self'"],
        connectSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
    },
    // Without TLS in front, browsers would ignore it.
    strictTransportSecurity: parts.access.browser.isTls && { maxAge: HSTS_SECONDS, includeSubDomains: false },
  })
  await app.register(cookie)
  await app.register(swagger, OPENAPI)
  guardRoutes(app, authenticateBy(parts.access), parts.access.trail.refused)
  await serveDashboard(app)
  for (const module of MODULES) await module(app, parts)
  serveReference(app, ENTITY_PATHS)
  return app
}
