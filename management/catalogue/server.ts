import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import helmet from '@fastify/helmet'
import files from '@fastify/static'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Logger } from '../../foundation/log.ts'
import { answerProblems } from '../http/errors.ts'
import { Problem } from '../http/problem.ts'
import type { Catalogue, Snapshot } from './catalogue.ts'
import { docsPage } from './pages/docs-page.ts'
import { listPage } from './pages/list-page.ts'
import { prefersHtml } from './prefers-html.ts'

export interface ServerParts {
  readonly catalogue: Pick<Catalogue, 'snapshot' | 'problem'>
  /** Folder of static files below `/app/`; undefined for none. */
  readonly appDir: string | undefined
  readonly log: Logger
}

/** No script, and nothing from elsewhere. */
const POLICY = {
  useDefaults: false,
  directives: {
    defaultSrc: ["'none'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'", 'data:'],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  },
}
/** The page below `/app/` has a policy of its own in itself; a header can only be added to it. */
const APP_HEADERS = {
  'content-security-policy': "frame-ancestors 'none'",
  'cache-control': 'no-cache',
}

/** The listener of the catalogue, read only and open to everybody; not listening yet. */
export async function createCatalogueServer(parts: ServerParts): Promise<FastifyInstance> {
  const { catalogue, appDir, log } = parts
  const app = Fastify({ logger: false, bodyLimit: 1_024, requestTimeout: 30_000 })
  answerProblems(app, log)
  await app.register(helmet, {
    contentSecurityPolicy: POLICY,
    strictTransportSecurity: false,
    // Documents are for whoever asks, from whichever page.
    crossOriginResourcePolicy: false,
  })
  const shown = new Rendering()
  const snapshot = (): Snapshot => {
    if (catalogue.snapshot) return catalogue.snapshot
    throw new Problem('SLUICE_MANAGER_UNAVAILABLE', catalogue.problem ?? 'Kong was not read yet', {
      headers: { 'retry-after': '1' },
    })
  }
  app.get('/', (request, reply) => {
    reply.header('vary', 'accept')
    const { list } = snapshot()
    if (prefersHtml(request.headers.accept)) return answer(request, reply, 'text/html', listPage(list))
    return answer(request, reply, 'application/json', `${JSON.stringify(list, undefined, 2)}\n`)
  })
  app.get('/docs', (request, reply) => answer(request, reply, 'text/html', shown.of(snapshot()).page))
  app.get('/docs/openapi.json', (request, reply) =>
    answer(request, reply, 'application/json', shown.of(snapshot()).json),
  )
  const style = readFileSync(path.join(import.meta.dirname, 'pages', 'style.css'), 'utf8')
  app.get('/docs/style.css', (request, reply) => answer(request, reply, 'text/css', style))
  app.get('/healthz', async () => ({ status: 'ok' }))
  app.get('/readyz', async (_, reply) => {
    const isReady = catalogue.snapshot !== undefined
    const problems = catalogue.problem === undefined ? [] : [catalogue.problem]
    return reply.status(isReady ? 200 : 503).send({ status: isReady ? 'ready' : 'not ready', problems })
  })
  if (appDir !== undefined) {
    // Without the slash the page's own files would be looked for beside it.
    app.get('/app', (_, reply) => reply.redirect('/app/', 308))
    await app.register(files, {
      root: appDir,
      prefix: '/app/',
      cacheControl: false,
      setHeaders: reply => void reply.headers(APP_HEADERS),
    })
  }
  return app
}

/** Pages are made once a document, not once a request. */
class Rendering {
  #document: unknown
  #rendered: { readonly page: string; readonly json: string } | undefined

  of({ document }: Snapshot): { readonly page: string; readonly json: string } {
    if (this.#rendered && this.#document === document) return this.#rendered
    this.#document = document
    this.#rendered = { page: docsPage(document), json: `${JSON.stringify(document)}\n` }
    return this.#rendered
  }
}

/** With a validator: whoever has the same text is not sent it again. */
function answer(request: FastifyRequest, reply: FastifyReply, type: string, text: string): FastifyReply {
  const etag = `"${createHash('sha256').update(text).digest('base64url').slice(0, 27)}"`
  reply.header('etag', etag).header('cache-control', 'no-cache')
  if (request.headers['if-none-match'] === etag) return reply.status(304).send()
  return reply.type(`${type}; charset=utf-8`).send(text)
}
