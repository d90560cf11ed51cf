import { existsSync } from 'node:fs'
import path from 'node:path'
import fastifyStatic from '@fastify/static'
import type { App } from './module.ts'

/** Where `npm run build` puts the dashboard: beside this room in dist/. */
const SITE = path.resolve(import.meta.dirname, '..', 'dashboard', 'site')
const YEAR_MS = 31_536_000_000

/** The dashboard's files. They hold nothing of the gateway, so they need no login. */
export async function serveDashboard(app: App): Promise<void> {
  // The sources can run without a build; then there is the API alone.
  if (!existsSync(SITE)) return
  await app.register(fastifyStatic, { root: SITE, serve: false, cacheControl: false })
  const route = { config: { access: 'public' }, schema: { hide: true } } as const
  app.get('/', route, (_request, reply) => reply.header('cache-control', 'no-cache').sendFile('index.html'))
  // Their names change with their content.
  app.get<{ Params: { file: string } }>('/assets/:file', route, ({ params }, reply) =>
    reply.sendFile(`assets/${params.file}`, { cacheControl: true, maxAge: YEAR_MS, immutable: true }),
  )
}
