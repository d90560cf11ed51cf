import { useState } from 'preact/hooks'
import {
  addOperator,
  addToken,
  disableOperator,
  endSession,
  listOperators,
  listSessions,
  listTokens,
  type Operator,
  revokeToken,
  type SessionRow,
  type Token,
} from '../api/live.ts'
import { may } from '../api/session.ts'
import { formatTime } from '../model/format.ts'
import { Dialog } from '../parts/dialog.tsx'
import { useResource } from '../parts/hooks.ts'
import { Badge, Notice, Trouble } from '../parts/notice.tsx'
import { Page, Panel } from '../parts/page.tsx'
import { Table } from '../parts/table.tsx'

export function OperatorsPage() {
  return (
    <Page title="Operators" lead="Who may use the manager, by which tokens and sessions.">
      {may('admin') && <Operators />}
      {may('admin') && <Tokens />}
      <Sessions />
    </Page>
  )
}

function Operators() {
  const { value = [], error, reload } = useResource('operators', listOperators)
  const [isAdding, setAdding] = useState(false)
  const [trouble, setTrouble] = useState<Error>()
  return (
    <Panel
      title="Operators"
      actions={
        <button type="button" onClick={() => setAdding(true)}>
          Add an operator
        </button>
      }
    >
      <Trouble error={error ?? trouble} />
      <Table<Operator>
        label="Operators"
        rows={value}
        keyOf={({ name }) => name}
        columns={[
          { head: 'Name', cell: ({ name }) => name },
          { head: 'Role', cell: ({ role }) => role },
          { head: 'Added', cell: one => formatTime(one.created_at) },
          { head: 'Password', cell: one => (one.has_password ? 'yes' : 'no, tokens only') },
          {
            head: 'State',
            cell: one =>
              one.disabled_at ? <Badge tone="bad">disabled</Badge> : <Badge tone="good">active</Badge>,
          },
          {
            head: 'Actions',
            cell: one =>
              !one.disabled_at && (
                <Sure
                  text="Disable"
                  label={`Disable ${one.name}`}
                  question={`Disable ${one.name} for good, with all tokens and sessions?`}
                  onSure={() => disableOperator(one.name).then(reload, setTrouble)}
                />
              ),
          },
        ]}
      />
      {isAdding && (
        <AddOperator
          onDone={() => {
            setAdding(false)
            reload()
          }}
        />
      )}
    </Panel>
  )
}

function AddOperator({ onDone }: { onDone: () => void }) {
  const [name, setName] = useState('')
  const [role, setRole] = useState('viewer')
  const [password, setPassword] = useState('')
  const [error, setError] = useState<Error>()
  const submit = (event: Event) => {
    event.preventDefault()
    void addOperator({ name, role, ...(password !== '' && { password }) }).then(onDone, setError)
  }
  return (
    <Dialog title="Add an operator" onClose={onDone}>
      <form class="apply" onSubmit={submit}>
        <Trouble error={error} />
        <label>
          Name
          <input
            type="text"
            required
            value={name}
            onInput={({ currentTarget }) => setName(currentTarget.value)}
          />
        </label>
        <label>
          Role
          <select value={role} onChange={({ currentTarget }) => setRole(currentTarget.value)}>
            <option value="viewer">viewer: looks</option>
            <option value="editor">editor: changes the gateway</option>
            <option value="admin">admin: also operators, tokens and secrets</option>
          </select>
        </label>
        <label>
          Password <span class="muted">at least 12 characters; without one: tokens only</span>
          <input
            type="password"
            autoComplete="new-password"
            value={password}
            onInput={({ currentTarget }) => setPassword(currentTarget.value)}
          />
        </label>
        <div class="actions">
          <button type="submit" class="primary">
            Add
          </button>
        </div>
      </form>
    </Dialog>
  )
}

function Tokens() {
  const { value = [], error, reload } = useResource('tokens', listTokens)
  const [isAdding, setAdding] = useState(false)
  const [trouble, setTrouble] = useState<Error>()
  return (
    <Panel
      title="Tokens"
      actions={
        <button type="button" onClick={() => setAdding(true)}>
          Make a token
        </button>
      }
    >
      <Trouble error={error ?? trouble} />
      <Table<Token>
        label="Tokens"
        rows={value}
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
                  onSure={() => revokeToken(one.id).then(reload, setTrouble)}
                />
              ),
          },
        ]}
      />
      {isAdding && (
        <AddToken
          onDone={() => {
            setAdding(false)
            reload()
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
  const submit = (event: Event) => {
    event.preventDefault()
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
    <Dialog title="Make a token" onClose={onDone}>
      <form class="apply" onSubmit={submit}>
        <Trouble error={error} />
        <label>
          Operator
          <input
            type="text"
            required
            value={operator}
            onInput={({ currentTarget }) => setOperator(currentTarget.value)}
          />
        </label>
        <label>
          Name <span class="muted">what it is for</span>
          <input
            type="text"
            required
            value={name}
            onInput={({ currentTarget }) => setName(currentTarget.value)}
          />
        </label>
        <label>
          Days that it is good <span class="muted">empty: for ever</span>
          <input
            type="text"
            inputMode="numeric"
            pattern="[0-9]*"
            value={days}
            onInput={({ currentTarget }) => setDays(currentTarget.value)}
          />
        </label>
        <div class="actions">
          <button type="submit" class="primary">
            Make it
          </button>
        </div>
      </form>
    </Dialog>
  )
}

function Sessions() {
  const { value = [], error, reload } = useResource('sessions', listSessions)
  const [trouble, setTrouble] = useState<Error>()
  return (
    <Panel title={may('admin') ? 'Sessions' : 'Your sessions'}>
      <Trouble error={error ?? trouble} />
      <Table<SessionRow>
        label="Sessions"
        rows={value}
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
                  onSure={() => endSession(one.id).then(reload, setTrouble)}
                />
              ),
          },
        ]}
      />
    </Panel>
  )
}

interface SureProps {
  readonly text: string
  readonly label: string
  readonly question: string
  readonly onSure: () => Promise<unknown>
}

/** A button for what cannot be taken back. */
function Sure({ text, label, question, onSure }: SureProps) {
  const [isAsking, setAsking] = useState(false)
  return (
    <>
      <button type="button" class="quiet" aria-label={label} onClick={() => setAsking(true)}>
        {text}
      </button>
      {isAsking && (
        <Dialog title={question} onClose={() => setAsking(false)}>
          <div class="actions">
            <button
              type="button"
              class="danger"
              onClick={() => void onSure().finally(() => setAsking(false))}
            >
              {text}
            </button>
          </div>
        </Dialog>
      )}
    </>
  )
}
