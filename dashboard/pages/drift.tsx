import { useState } from 'preact/hooks'
import { acceptDrift, type Drift, listDrift } from '../api/live.ts'
import { may } from '../api/session.ts'
import { formatTime } from '../model/format.ts'
import { Steps } from '../parts/difference.tsx'
import { useLive, useRepeated, useResource } from '../parts/hooks.ts'
import { Badge, Empty, Trouble } from '../parts/notice.tsx'
import { Page, Panel } from '../parts/page.tsx'

const EVERY_MS = 10_000

/** What somebody has changed in Kong without the manager. */
export function DriftPage() {
  const drift = useResource('drift', listDrift)
  const { value, reload } = drift
  const [trouble, setTrouble] = useState<Error>()
  useRepeated(() => void reload(), EVERY_MS)
  useLive('gateway.', () => void reload())
  const accept = (one: Drift) => void acceptDrift(one).then(reload, setTrouble)
  return (
    <Page title="Drift" lead={leadOf(value?.mode)} of={drift}>
      <Trouble error={trouble} />
      {value?.data.length === 0 && <Empty>Nothing differs: Kong is as the manager knows it.</Empty>}
      {value?.data.map(one => (
        <Panel
          key={`${one.kind}/${one.id}`}
          title={
            <>
              {one.name} <span class="muted">found {formatTime(one.detected_at)}</span>
            </>
          }
          actions={<Actions drift={one} onAccept={() => accept(one)} />}
        >
          <Steps steps={[toStep(one)]} />
        </Panel>
      ))}
    </Page>
  )
}

function leadOf(mode = ''): string {
  const lead = 'What was changed in Kong without the manager: by its Admin API, decK or another tool.'
  return mode === 'adopt' ? `${lead} The manager takes it over by itself, and says so in an event.` : lead
}

function Actions({ drift, onAccept }: { readonly drift: Drift; readonly onAccept: () => void }) {
  if (drift.accepted_at) return <Badge tone="plain">being taken over</Badge>
  if (!may('editor')) return null
  return (
    <button type="button" onClick={onAccept}>
      Take over
    </button>
  )
}

const ACTIONS = { created: 'create', updated: 'update', deleted: 'delete' } as const

const toStep = ({ id, kind, name, action, before = null, after = null }: Drift) => ({
  ...{ seq: 0, id, kind, before, after },
  action: ACTIONS[action],
  label: name,
})
