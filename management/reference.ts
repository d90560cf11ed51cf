import { readFileSync } from 'node:fs'
import path from 'node:path'
import { docsPage } from './catalogue/pages/docs-page.ts'
import { describeAnswers } from './http/answers.ts'
import type { App } from './module.ts'

const FRAME = {
  title: 'Reference of the manager',
  home: { path: '/', text: 'dashboard' },
  documentPath: '/v1/openapi.json',
}

/** The OpenAPI document, and a page of it without a script; both are the same for everybody. */
export function serveReference(app: App, entityPaths: ReadonlySet<string>): void {
  const route = { config: { access: 'public' }, schema: { hide: true } } as const
  const document = () => describeAnswers(app.swagger() as Parameters<typeof describeAnswers>[0], entityPaths)
  let shown: string | undefined
  app.get('/v1/openapi.json', route, async () => document())
  app.get('/docs', route, async (_request, reply) => {
    shown ??= docsPage(withTags(document()), FRAME)
    return reply.type('text/html; charset=utf-8').send(shown)
  })
  const style = readFileSync(path.join(import.meta.dirname, 'catalogue', 'pages', 'style.css'), 'utf8')
  app.get('/docs/style.css', route, async (_request, reply) => reply.type('text/css').send(style))
}

/** The page has a section a tag. */
function withTags(document: ReturnType<typeof describeAnswers>) {
  const operations = Object.values(document.paths ?? {}).flatMap(item => Object.values(item ?? {}))
  const names = operations.flatMap(
    operation => (operation as { readonly tags?: readonly string[] }).tags ?? [],
  )
  return { ...document, tags: [...new Set(names)].map(name => ({ name })) }
}
