import type { ComponentChildren } from 'preact'
import { kindAt } from '../model/kinds.ts'
import type { Place } from '../model/place.ts'
import { Page } from '../parts/page.tsx'
import { AuditPage } from './audit.tsx'
import { BreakersPage } from './breakers.tsx'
import { CachePage } from './cache.tsx'
import { CataloguePage } from './catalogue.tsx'
import { ChangePage } from './change.tsx'
import { ChangesPage } from './changes.tsx'
import { DriftPage } from './drift.tsx'
import { EntityPage } from './entity.tsx'
import { LimitsPage } from './limits.tsx'
import { ListPage } from './list.tsx'
import { OperatorsPage } from './operators.tsx'
import { OverviewPage } from './overview.tsx'
import { PasswordPage } from './password.tsx'
import { PublishPage } from './publish.tsx'

type Draw = (place: Place) => ComponentChildren

const PAGES: Readonly<Record<string, Draw>> = {
  '': () => <OverviewPage />,
  publish: () => <PublishPage />,
  breakers: () => <BreakersPage />,
  limits: ({ query }) => <LimitsPage subject={query.get('subject') ?? ''} />,
  audit: ({ query }) => <AuditPage query={query} />,
  drift: () => <DriftPage />,
  catalogue: () => <CataloguePage />,
  operators: () => <OperatorsPage />,
  password: () => <PasswordPage />,
  cache: () => <CachePage />,
  changes: ({ path: [, id], query }) =>
    id === undefined ? <ChangesPage key={String(query)} query={query} /> : <ChangePage id={id} />,
}

export function PageAt({ place }: { place: Place }) {
  const [first = '', key] = place.path
  const page = Object.hasOwn(PAGES, first) ? PAGES[first] : undefined
  if (page) return <>{page(place)}</>
  const kind = kindAt(first)
  if (!kind)
    return (
      <Page title="Not found">
        <p>
          There is no page at this address. <a href="#/">To the overview</a>
        </p>
      </Page>
    )
  if (key === undefined) return <ListPage kind={kind} />
  return <EntityPage kind={kind} id={key} query={place.query} />
}
