import { useState } from 'preact/hooks'
import { addToken, listTokens, revokeToken, type Token } from '../api/live.ts'
import { formatTime } from '../model/format.ts'
import { Ask, TextField } from '../parts/ask.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { useResource } from '../parts/hooks.ts'
import { Badge, Notice, Trouble } from '../parts/notice.tsx'
import { Panel } from '../parts/page.tsx'
import { Sure } from '../parts/sure.tsx'
import { Table } from '../parts/table.tsx'

/** By which scripts use the manager; for admins. */
export function Tokens() {
  const tokens = useResource('tokens', listTokens)
  const [isAdding, setAdding] = useState(false)
  const [trouble, setTrouble] = useState<Error>()
  return (
    <Panel
      of={tokens}
      title="Tokens"
      actions={
        <button type="button" onClick={() => setAdding(true)}>
          Make a token
        </button>
      }
    >
      <Trouble error={trouble} />
      <Table<Token>
        label="Tokens"
        rows={tokens.value ?? []}
        keyOf={({ id }) => id}
        columns={[
          { head: 'Operator', cell: ({ operator }) => operator },
          { head: 'Name', cell: ({ name }) => name },
          { head: 'Made', cell: one => formatTime(one.created_at) },
          { head: 'Last used', cell: one => formatTime(one.last_used_at) },
          {
            head: 'State',
            cell: one =>
              one.revoked_at ? (
                <Badge tone="bad">revoked</Badge>
              ) : one.expires_at ? (
                `good until ${formatTime(one.expires_at)}`
              ) : (
                'good for ever'
              ),
          },
          {
            head: 'Actions',
            cell: one =>
              !one.revoked_at && (
                <Sure
                  text="Revoke"
                  label={`Revoke ${one.name} of ${one.operator}`}
                  question={`Revoke the token ${one.name} of ${one.operator}?`}
                  onSure={() => revokeToken(one.id).then(tokens.reload, setTrouble)}
                />
              ),
          },
        ]}
      />
      {isAdding && (
        <AddToken
          onDone={() => {
            setAdding(false)
            void tokens.reload()
          }}
        />
      )}
    </Panel>
  )
}

function AddToken({ onDone }: { onDone: () => void }) {
  const [operator, setOperator] = useState('')
  const [name, setName] = useState('')
  const [days, setDays] = useState('90')
  const [token, setToken] = useState('')
  const [error, setError] = useState<Error>()
  const submit = () => {
    void addToken({ operator, name, ...(days !== '' && { days: Number(days) }) }).then(setToken, setError)
  }
  if (token !== '')
    return (
      <Dialog title="The token" onClose={onDone}>
        <Notice tone="good">This is the only time that it can be seen.</Notice>
        <p>
          <code>{token}</code>
        </p>
      </Dialog>
    )
  return (
    <Ask title="Make a token" action="Make it" error={error} onSubmit={submit} onClose={onDone}>
      <TextField label="Operator" value={operator} onType={setOperator} />
      <TextField label="Name" hint="what it is for" value={name} onType={setName} />
      <TextField
        label="Days that it is good"
        hint="empty: for ever"
        isOptional
        digits="[0-9]*"
        value={days}
        onType={setDays}
      />
    </Ask>
  )
}
