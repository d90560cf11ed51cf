import type { ComponentChildren } from 'preact'
import { type Resource, useTitle } from './hooks.ts'
import { Trouble } from './notice.tsx'

export interface PageProps {
  readonly title: string
  /** In one sentence, what this is. */
  readonly lead?: ComponentChildren
  readonly actions?: ComponentChildren
  /** What it shows: while that is read, and where it cannot be read, the page says so. */
  readonly of?: Resource<unknown>
  readonly children: ComponentChildren
}

export function Page({ title, lead, actions, of, children }: PageProps) {
  useTitle(title)
  return (
    <>
      <header class="page-head">
        <div>
          <h1 tabIndex={-1}>{title}</h1>
          {lead !== undefined && <p class="lead">{lead}</p>}
        </div>
        {actions !== undefined && <div class="actions">{actions}</div>}
      </header>
      {of && <Awaited of={of} />}
      {children}
    </>
  )
}

/** That something is being read, or why it could not be. */
export function Awaited({ of: { value, error, isLoading, reload } }: { of: Resource<unknown> }) {
  if (error) return <Trouble error={error} onRetry={() => void reload()} />
  if (value !== undefined || !isLoading) return null
  return (
    <p class="loading" role="status">
      Loading…
    </p>
  )
}

export interface PanelProps {
  readonly title: ComponentChildren
  readonly actions?: ComponentChildren
  /** As of a page. */
  readonly of?: Resource<unknown>
  readonly children: ComponentChildren
}

export function Panel({ title, actions, of, children }: PanelProps) {
  return (
    <section class="panel">
      <header>
        <h2 tabIndex={-1}>{title}</h2>
        {actions}
      </header>
      {of && <Awaited of={of} />}
      {children}
    </section>
  )
}
