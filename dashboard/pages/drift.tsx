import { useState } from 'preact/hooks'
import type { Change, Draft, Step } from '../api/changes.ts'
import { acceptDrift, type Drift, listDrift } from '../api/drift.ts'
import { may } from '../api/session.ts'
import { formatTime } from '../model/format.ts'
import { Fields } from '../parts/difference.tsx'
import { useLive, useRepeated, useResource } from '../parts/hooks.ts'
import { Badge, Empty, Trouble } from '../parts/notice.tsx'
import { Page, Panel } from '../parts/page.tsx'
import { Review } from '../parts/review.tsx'
import { Applied } from '../parts/undo.tsx'

const EVERY_MS = 10_000

/** What somebody has changed in Kong without the manager. */
export function DriftPage() {
  const drift = useResource('drift', listDrift)
  const { value, reload } = drift
  const [trouble, setTrouble] = useState<Error>()
  const [restoring, setRestoring] = useState<Drift>()
  const [restored, setRestored] = useState<Change>()
  useRepeated(() => void reload(), EVERY_MS)
  useLive('gateway.', () => void reload())
  const accept = (one: Drift) => void acceptDrift(one).then(reload, setTrouble)
  return (
    <Page title="Drift" lead={leadOf(value?.mode)} of={drift}>
      <Trouble error={trouble} />
      {restored && (
        <Applied
          change={restored}
          text="Restored."
          onUndone={() => reload().then(() => setRestored(undefined))}
        />
      )}
      {value?.data.length === 0 && <Empty>No drift: Kong matches what the manager knows.</Empty>}
      {value?.data.map(one => (
        <Panel
          key={`${one.kind}/${one.id}`}
          title={
            <>
              {one.label} <Badge tone={TONES[one.action]}>{one.action}</Badge>{' '}
              <span class="muted">found {formatTime(one.found_at)}</span>
            </>
          }
          actions={<Actions drift={one} onAccept={() => accept(one)} onRestore={() => setRestoring(one)} />}
        >
          <Fields step={driftStep(one)} isOpen heads={['Manager', 'Kong']} />
        </Panel>
      ))}
      {restoring && (
        <Review
          title={`Restore ${restoring.label}?`}
          note="Kong gets back what the manager knew, as a change that can be undone."
          draft={restorationOf(restoring)}
          onClose={() => setRestoring(undefined)}
          onApplied={async ({ change }) => {
            await reload()
            setRestoring(undefined)
            setRestored(change)
          }}
        />
      )}
    </Page>
  )
}

function leadOf(mode = ''): string {
  const lead = 'What was changed in Kong without the manager: by its Admin API, decK or another tool.'
  return mode === 'adopt' ? `${lead} The manager takes it over by itself, and says so in an event.` : lead
}

interface ActionsProps {
  readonly drift: Drift
  readonly onAccept: () => void
  readonly onRestore: () => void
}

function Actions({ drift: { label, accepted_at: acceptedAt }, onAccept, onRestore }: ActionsProps) {
  if (acceptedAt) return <Badge tone="plain">being taken over</Badge>
  if (!may('editor')) return null
  return (
    <div class="actions">
      <button type="button" aria-label={`Take over ${label}`} onClick={onAccept}>
        Take over
      </button>
      <button type="button" aria-label={`Restore ${label}`} onClick={onRestore}>
        Restore…
      </button>
    </div>
  )
}

const TONES = { created: 'good', updated: 'warning', deleted: 'bad' } as const
const ACTIONS = { created: 'create', updated: 'update', deleted: 'delete' } as const
const OPPOSITES = { created: 'delete', updated: 'update', deleted: 'create' } as const

const driftStep = ({ id, kind, label, action, fields, before = null, after = null }: Drift): Step => ({
  ...{ seq: 0, id, kind, label, before, after },
  action: ACTIONS[action],
  ...(action === 'updated' && {
    changes: fields.map(field => ({ field, before: before?.[field], after: after?.[field] })),
  }),
})

/** The change that puts back what the manager knew. */
function restorationOf(drift: Drift): Draft {
  const { kind, id, action, before = null, after = null } = drift
  const step = { ...driftStep({ ...drift, before: after, after: before }), action: OPPOSITES[action] }
  return {
    method: 'POST',
    path: `/v1/drift/${kind}/${id}/restore`,
    plan: { steps: [step], irreversible: 0 },
  }
}
