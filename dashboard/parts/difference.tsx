import type { ComponentChildren } from 'preact'
import type { Step } from '../api/changes.ts'
import { differences, isSame } from '../model/difference.ts'
import { formatValue } from '../model/format.ts'
import { Badge } from './notice.tsx'

const ACTIONS: Readonly<Record<string, string>> = {
  create: 'Create',
  update: 'Change',
  replace: 'Replace',
  delete: 'Delete',
}

/** What a change does, entity by entity, field by field. */
export function Steps({ steps }: { steps: readonly Step[] }) {
  return (
    <ol class="steps">
      {steps.map(step => (
        <li key={step.seq}>
          <p>
            <strong>{ACTIONS[step.action] ?? step.action}</strong> {step.label}{' '}
            {step.state !== undefined && <Badge tone={toneOf(step.state)}>{step.state}</Badge>}
          </p>
          <Fields step={step} isOpen={steps.length === 1} />
          {step.irreversible !== undefined && <p class="fault">Cannot be undone: {step.irreversible}</p>}
        </li>
      ))}
    </ol>
  )
}

const toneOf = (state: string) => (state === 'done' ? 'good' : state === 'undone' ? 'plain' : 'warning')

const SECRETS = { before: 'a secret', after: 'another secret' }

/** Times that Kong stamps itself say nothing. */
const STAMPED = new Set(['created_at', 'updated_at', 'id'])

interface FieldsProps {
  readonly step: Step
  /** All of what is made or goes is in sight. */
  readonly isOpen: boolean
  readonly heads?: DifferenceTableProps['heads']
}

/** What a step changes, field by field. */
export function Fields({ step, isOpen, heads = ['Before', 'After'] }: FieldsProps) {
  const changes =
    step.changes ??
    differences(step.before ?? undefined, step.after ?? undefined).map(({ path, ...rest }) => ({
      field: path,
      ...rest,
    }))
  const leaves = changes
    .filter(({ field }) => !STAMPED.has(field))
    .flatMap(({ field, before, after }) =>
      // Both sides of a secret are masked alike.
      isSame(before, after) ? [{ path: field, ...SECRETS }] : differences(before, after, field),
    )
    // A field that is not set is no news of something that is made or goes.
    .filter(({ before, after }) => (before ?? null) !== (after ?? null))
  if (leaves.length === 0) return null
  const table = <DifferenceTable leaves={leaves} action={step.action} heads={heads} />
  if (step.action === 'update' || isOpen) return table
  return (
    <details>
      <summary>{leaves.length === 1 ? '1 field' : `${leaves.length} fields`}</summary>
      {table}
    </details>
  )
}

interface DifferenceTableProps {
  readonly leaves: readonly { readonly path: string; readonly before: unknown; readonly after: unknown }[]
  readonly action: string
  readonly heads: readonly [before: string, after: string]
}

export function DifferenceTable({ leaves, action, heads }: DifferenceTableProps) {
  const hasBefore = action !== 'create'
  const hasAfter = action !== 'delete'
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reached by keyboard
    <section class="scroll" aria-label="Differences" tabIndex={0}>
      <table class="rows difference">
        <thead>
          <tr>
            <th scope="col">Field</th>
            {hasBefore && <th scope="col">{heads[0]}</th>}
            {hasAfter && <th scope="col">{heads[1]}</th>}
          </tr>
        </thead>
        <tbody>
          {leaves.map(({ path, before, after }) => (
            <tr key={path}>
              <th scope="row">{path}</th>
              {hasBefore && (
                <td class="before" data-head={heads[0]}>
                  <Value value={before} />
                </td>
              )}
              {hasAfter && (
                <td class="after" data-head={heads[1]}>
                  <Value value={after} />
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

function Value({ value }: { readonly value: unknown }): ComponentChildren {
  const isNothing = (value ?? null) === null || value === ''
  return isNothing ? <span class="muted">{formatValue(value)}</span> : formatValue(value)
}
