import { useState } from 'preact/hooks'
import { addToken, listTokens, revokeToken, type Token } from '../api/operators.ts'
import { formatTime } from '../model/format.ts'
import { Ask, TextField } from '../parts/ask.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { useResource } from '../parts/hooks.ts'
import { Badge, Notice } from '../parts/notice.tsx'
import { Panel } from '../parts/page.tsx'
import { Sure } from '../parts/sure.tsx'
import { Table } from '../parts/table.tsx'

/** By which scripts use the manager; for admins. */
export function Tokens() {
  const tokens = useResource('tokens', listTokens)
  const [isAdding, setAdding] = useState(false)
  return (
    <Panel
      of={tokens}
      title="Tokens"
      actions={
        <button type="button" onClick={() => setAdding(true)}>
          Create a token
        </button>
      }
    >
      <Table<Token>
        label="Tokens"
        rows={tokens.value ?? []}
        keyOf={({ id }) => id}
        columns={[
          { head: 'Operator', cell: ({ operator }) => operator },
          { head: 'Name', cell: ({ name }) => name },
          { head: 'Created', cell: one => formatTime(one.created_at) },
          { head: 'Last used', cell: one => formatTime(one.last_used_at) },
          {
            head: 'State',
            cell: one =>
              one.revoked_at ? (
                <Badge tone="bad">revoked</Badge>
              ) : one.expires_at ? (
                `valid until ${formatTime(one.expires_at)}`
              ) : (
                'never expires'
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
                  onSure={() => revokeToken(one.id).then(tokens.reload)}
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
  const submit = () => addToken({ operator, name, ...(days !== '' && { days: Number(days) }) }).then(setToken)
  if (token !== '')
    return (
      <Dialog title="The token" onClose={onDone}>
        <Notice tone="good">Copy it now: it cannot be shown again.</Notice>
        <p>
          <code>{token}</code>
        </p>
      </Dialog>
    )
  return (
    <Ask title="Create a token" action="Create" onSubmit={submit} onClose={onDone}>
      <TextField label="Operator" value={operator} onType={setOperator} />
      <TextField label="Name" hint="what it is for" value={name} onType={setName} />
      <TextField
        label="Days until it expires"
        hint="empty: never"
        isOptional
        digits="[0-9]*"
        value={days}
        onType={setDays}
      />
    </Ask>
  )
}
