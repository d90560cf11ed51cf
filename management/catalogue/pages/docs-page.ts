/** The merged document as a page without a script: it works under the strictest policy, and can be searched and printed. */
import { METHODS, type Node, nodeOf, nodesOf, textOf, textsOf } from '../openapi/node.ts'
import { follow } from '../openapi/pointer.ts'
import { anchorOf } from './anchor.ts'
import { type Html, html, page } from './html.ts'
import { schemaOutline } from './schema-outline.ts'

interface Shown {
  readonly method: string
  readonly path: string
  readonly operation: Node
}

/** Whose documentation it is, and where else to go. */
export interface DocsFrame {
  readonly title: string
  readonly home: { readonly path: string; readonly text: string }
  /** Where the document itself is. */
  readonly documentPath: string
}

const GATEWAY: DocsFrame = {
  title: 'Documentation of this gateway',
  home: { path: '/', text: 'all APIs' },
  documentPath: '/docs/openapi.json',
}

export function docsPage(document: Node, { title, home, documentPath }: DocsFrame = GATEWAY): string {
  const operations = operationsOf(document)
  const tags = nodesOf(document.tags)
  const of = (tag: Node) => operations.filter(({ operation }) => textsOf(operation.tags)[0] === tag.name)
  return page(
    title,
    html`<header><h1>Documentation</h1>
<p class="hint"><a href="${home.path}">${home.text}</a> · <a href="${documentPath}">openapi.json</a></p>
<nav aria-label="APIs"><ul>${tags.map(({ name }) => html`<li><a href="#${anchorOf(String(name))}">${String(name)}</a></li>`)}</ul></nav></header>
<main>
${tags.length === 0 && html`<p>No service has a document yet: give it the tag <code>openapi:%2Fopenapi.json</code>.</p>`}
${tags.map(tag => service(document, tag, of(tag)))}
<section id="schemas"><h2>Schemas</h2>${schemas(document)}</section>
</main>`,
  )
}

const operationsOf = (document: Node): readonly Shown[] =>
  Object.entries(nodeOf(document.paths)).flatMap(([path, item]) =>
    METHODS.filter(method => method in nodeOf(item)).map(method => ({
      method,
      path,
      operation: nodeOf(nodeOf(item)[method]),
    })),
  )

const service = (
  document: Node,
  tag: Node,
  operations: readonly Shown[],
): Html => html`<section id="${anchorOf(String(tag.name))}">
<h2>${String(tag.name)}</h2>
${prose(tag.description)}
${operations.map(one => details(document, one))}
</section>
`

const details = (document: Node, { method, path, operation }: Shown): Html => html`<details>
<summary><b class="method ${method}">${method.toUpperCase()}</b> <code>${path}</code> <span>${textOf(operation.summary)}</span>${operation.deprecated === true && html` <strong class="tag">deprecated</strong>`}</summary>
<div class="body" id="${anchorOf(method, path)}">
${prose(operation.description)}
${servers(operation)}
<p><b>Authentication:</b> ${authentication(document, operation)}</p>
${parameters(document, nodesOf(operation.parameters))}
${requestBody(document, operation.requestBody)}
${responses(document, nodeOf(operation.responses))}
</div>
</details>
`

const prose = (text: unknown): Html | undefined =>
  textOf(text) ? html`<p class="prose">${textOf(text)!.trim()}</p>` : undefined

function servers({ servers: list }: Node): Html | undefined {
  const urls = nodesOf(list).map(({ url }) => String(url))
  return urls.length === 0 ? undefined : html`<p><b>Only at:</b> <code>${urls.join(' ')}</code></p>`
}

function authentication(document: Node, { security }: Node): string {
  const schemes = nodeOf(nodeOf(document.components).securitySchemes)
  const ways = nodesOf(security).map(one =>
    Object.keys(one).map(name => describeScheme(nodeOf(schemes[name]), name)),
  )
  if (ways.length === 0 || ways.every(way => way.length === 0)) return 'none'
  return ways.map(way => way.join(' and ') || 'none').join(', or ')
}

function describeScheme({ type, scheme, in: place, name }: Node, otherwise: string): string {
  if (type === 'apiKey') return `${place} ${name}`
  return type === 'http' ? `HTTP ${scheme}` : String(type ?? otherwise)
}

function parameters(document: Node, list: readonly Node[]): Html | undefined {
  if (list.length === 0) return undefined
  return html`<h3>Parameters</h3><ul class="fields">${list.map(one => {
    const { name, in: place, required, description, schema } = follow(document, one)
    return html`<li><code>${String(name)}</code> <span class="hint">${String(place)}${required === true && ', required'}</span> ${schemaOutline(schema)}${textOf(description) !== undefined && html` <span>${textOf(description)}</span>`}</li>`
  })}</ul>`
}

function requestBody(document: Node, value: unknown): Html | undefined {
  if (value === undefined) return undefined
  const { content, required, description } = follow(document, value)
  return html`<h3>Body${required === true && html` <span class="hint">required</span>`}</h3>${prose(description)}${media(nodeOf(content))}`
}

const media = (content: Node): readonly Html[] =>
  Object.entries(content).map(
    ([type, value]) =>
      html`<div><code class="hint">${type}</code> ${schemaOutline(nodeOf(value).schema)}</div>`,
  )

const responses = (document: Node, list: Node): Html =>
  html`<h3>Answers</h3><dl>${Object.entries(list).map(([status, value]) => {
    const { description, content } = follow(document, value)
    return html`<dt>${status}</dt><dd>${textOf(description)}${media(nodeOf(content))}</dd>`
  })}</dl>`

const schemas = (document: Node): readonly Html[] =>
  Object.entries(nodeOf(nodeOf(document.components).schemas)).map(
    ([name, schema]) =>
      html`<details><summary><code>${name}</code></summary><div class="body" id="${anchorOf('schema', name)}">${schemaOutline(schema)}</div></details>`,
  )
