import { type Api, listApis } from '../api/catalogue.ts'
import { formatNumber, formatSpan, formatTime } from '../model/format.ts'
import { useResource } from '../parts/hooks.ts'
import { Link } from '../parts/link.tsx'
import { Badge, Empty } from '../parts/notice.tsx'
import { Page } from '../parts/page.tsx'
import { Table } from '../parts/table.tsx'

/** What can be called at the gateway. */
export function CataloguePage() {
  const apis = useResource('catalogue', listApis)
  const { value } = apis
  return (
    <Page
      title="Catalogue"
      of={apis}
      lead="The APIs that this gateway offers: services that are enabled and have a route."
    >
      {value?.length === 0 && (
        <Empty>
          No API yet. <a href="#/publish">Publish one</a>
        </Empty>
      )}
      {value && value.length > 0 && (
        <Table<Api>
          label="APIs"
          rows={value}
          keyOf={({ name }) => name}
          columns={[
            { head: 'API', cell: api => <Name api={api} /> },
            ...(['paths', 'hosts', 'methods'] as const).map(field => ({
              head: `${field[0]?.toUpperCase()}${field.slice(1)}`,
              cell: (api: Api) => together(api, field) || <span class="muted">any</span>,
            })),
            {
              head: 'Authentication',
              cell: api => together(api, 'auth') || <Badge tone="warning">none</Badge>,
            },
            { head: 'Limits', cell: api => limitsOf(api) || <span class="muted">none</span> },
            { head: 'Documentation', cell: documentOf },
          ]}
        />
      )}
    </Page>
  )
}

function Name({ api: { name, title, deprecated, sunset } }: { api: Api }) {
  return (
    <>
      <Link to={['services', name]}>{title}</Link>{' '}
      {deprecated && (
        <Badge tone="warning">{`deprecated${sunset === null ? '' : `, ends ${formatTime(sunset)}`}`}</Badge>
      )}
    </>
  )
}

const once = (texts: readonly string[]): string => [...new Set(texts)].join(', ')

const together = ({ routes }: Api, field: 'paths' | 'hosts' | 'methods' | 'auth'): string =>
  once(routes.flatMap(route => route[field]))

const limitsOf = ({ routes }: Api): string =>
  once(
    routes.flatMap(({ limits }) =>
      limits.map(
        ({ tier, requests, seconds }) =>
          `${tier === undefined ? '' : `${tier}: `}${formatNumber(requests)} in ${formatSpan(seconds * 1000)}`,
      ),
    ),
  )

function documentOf({ document, document_problem: missing }: Api) {
  if (!document) return <span class="muted">{missing ?? 'none'}</span>
  return `${formatNumber(document.operations)} operations${document.problem === null ? '' : ` (${document.problem})`}`
}
