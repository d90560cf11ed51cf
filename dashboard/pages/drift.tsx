import { type Drift, listDrift } from '../api/live.ts'
import { formatTime } from '../model/format.ts'
import { Steps } from '../parts/difference.tsx'
import { useLive, useRepeated, useResource } from '../parts/hooks.ts'
import { Empty, Trouble } from '../parts/notice.tsx'
import { Page } from '../parts/page.tsx'

const EVERY_MS = 10_000

/** What somebody has changed in Kong without the manager. */
export function DriftPage() {
  const { value, error, reload } = useResource('drift', listDrift)
  useRepeated(reload, EVERY_MS)
  useLive('gateway.', reload)
  return (
    <Page
      title="Drift"
      lead="What was changed in Kong without the manager: by its Admin API, decK or another tool."
    >
      <Trouble error={error} onRetry={reload} />
      {value?.length === 0 && <Empty>Nothing differs: Kong is as the manager knows it.</Empty>}
      {value && value.length > 0 && <Steps steps={value.map(toStep)} />}
    </Page>
  )
}

const toStep = ({ id, kind, label, found_at: foundAt, before = null, after = null }: Drift, i: number) => ({
  seq: i,
  id,
  kind,
  action: after === null ? 'delete' : before === null ? 'create' : 'update',
  label: `${label ?? `${kind} ${id}`}${foundAt === undefined ? '' : `, found ${formatTime(foundAt)}`}`,
  before,
  after,
})
