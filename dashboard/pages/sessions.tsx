import { endSession, listSessions, type SessionRow } from '../api/operators.ts'
import { may } from '../api/session.ts'
import { formatTime } from '../model/format.ts'
import { useResource } from '../parts/hooks.ts'
import { Panel } from '../parts/page.tsx'
import { Sure } from '../parts/sure.tsx'
import { Table } from '../parts/table.tsx'

/** Browsers that are logged in: one's own, for an admin everybody's. */
export function Sessions() {
  const sessions = useResource('sessions', listSessions)
  return (
    <Panel title={may('admin') ? 'Sessions' : 'Your sessions'} of={sessions}>
      <Table<SessionRow>
        label="Sessions"
        rows={sessions.value ?? []}
        keyOf={({ id }) => id}
        columns={[
          { head: 'Operator', cell: ({ operator }) => operator },
          { head: 'Since', isShort: true, cell: one => formatTime(one.created_at) },
          { head: 'Ends', isShort: true, cell: one => formatTime(one.expires_at) },
          { head: 'Address', isShort: true, cell: ({ address }) => address },
          { head: 'Browser', cell: ({ agent }) => agent },
          {
            head: 'Actions',
            cell: one =>
              one.current ? (
                'this one'
              ) : (
                <Sure
                  text="End"
                  label={`End the session of ${one.operator} at ${one.address}`}
                  question={`End this session of ${one.operator}?`}
                  onSure={() => endSession(one.id).then(sessions.reload)}
                />
              ),
          },
        ]}
      />
    </Panel>
  )
}
