import type { ApiList, ListedApi, ListedRoute } from '../list.ts'
import type { Limit } from '../plugin-effects.ts'
import { anchorOf } from './anchor.ts'
import { type Html, html, page } from './html.ts'

const PERIODS: Readonly<Record<number, string>> = { 1: 'second', 60: 'minute', 3600: 'hour', 86400: 'day' }

/** The list of active APIs for people. */
export function listPage({ as_of, problem, data }: ApiList): string {
  return page(
    'APIs of this gateway',
    html`<header><h1>APIs of this gateway</h1>
<p class="hint">As of <time datetime="${as_of}">${as_of.replace('T', ' ').slice(0, 19)} UTC</time> · <a href="/docs">documentation</a> · <a href="/docs/openapi.json">openapi.json</a></p>
${problem !== null && html`<p class="notice">${problem}</p>`}</header>
<main>
${data.length === 0 && html`<p>No service of this gateway has a route yet.</p>`}
${data.map(api)}
</main>`,
  )
}

const api = ({
  name,
  title,
  deprecated,
  sunset,
  routes,
  document,
  document_problem,
}: ListedApi): Html => html`<section>
<h2>${title}${title !== name && html` <span class="hint">${name}</span>`}${deprecated && html` <strong class="tag">deprecated${sunset !== null && `, ends ${sunset}`}</strong>`}</h2>
${document && html`<p><a href="/docs#${anchorOf(name)}">${document.operations} documented operations</a>${document.problem !== null && html` <span class="notice">as of ${document.fetched_at}: ${document.problem}</span>`}</p>`}
${document_problem !== null && html`<p class="notice">No documentation: ${document_problem}</p>`}
<div class="scroll"><table>
<thead><tr><th scope="col">hosts</th><th scope="col">paths</th><th scope="col">methods</th><th scope="col">authentication</th><th scope="col">limits</th></tr></thead>
<tbody>${routes.map(row)}</tbody>
</table></div>
</section>`

const row = ({ hosts, paths, methods, auth, limits }: ListedRoute): Html =>
  html`<tr><td>${hosts.join(', ') || 'any'}</td><td><code>${paths.join(' ') || '/'}</code></td><td>${methods.join(', ') || 'any'}</td><td>${auth.join(', ') || 'none'}</td><td>${describeLimits(limits)}</td></tr>
`

function describeLimits(limits: readonly Limit[]): string {
  const tiers = groupByTier(limits)
  return (
    [...tiers].map(([tier, texts]) => `${tier === '' ? '' : `${tier}: `}${texts.join(', ')}`).join('; ') ||
    'none'
  )
}

function groupByTier(limits: readonly Limit[]): ReadonlyMap<string, string[]> {
  const groups = new Map<string, string[]>()
  for (const { tier = '', requests, seconds } of limits) {
    const texts = groups.get(tier) ?? []
    groups.set(tier, texts)
    texts.push(`${requests}/${PERIODS[seconds] ?? `${seconds} s`}`)
  }
  return groups
}
