import { useState } from 'preact/hooks'
import { addOperator, disableOperator, listOperators, type Operator } from '../api/operators.ts'
import { may } from '../api/session.ts'
import { formatTime } from '../model/format.ts'
import { Ask, TextField } from '../parts/ask.tsx'
import { useResource } from '../parts/hooks.ts'
import { Badge } from '../parts/notice.tsx'
import { Page, Panel } from '../parts/page.tsx'
import { Sure } from '../parts/sure.tsx'
import { Table } from '../parts/table.tsx'
import { Sessions } from './sessions.tsx'
import { Tokens } from './tokens.tsx'

export function OperatorsPage() {
  return (
    <Page title="Operators" lead="Who can use the manager, and with which tokens and sessions.">
      {may('admin') && <Operators />}
      {may('admin') && <Tokens />}
      <Sessions />
    </Page>
  )
}

function Operators() {
  const operators = useResource('operators', listOperators)
  const [isAdding, setAdding] = useState(false)
  return (
    <Panel
      of={operators}
      title="Operators"
      actions={
        <button type="button" onClick={() => setAdding(true)}>
          Add an operator
        </button>
      }
    >
      <Table<Operator>
        label="Operators"
        rows={operators.value ?? []}
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
                  question={`Disable ${one.name} permanently, with all tokens and sessions?`}
                  onSure={() => disableOperator(one.name).then(operators.reload)}
                />
              ),
          },
        ]}
      />
      {isAdding && (
        <AddOperator
          onDone={() => {
            setAdding(false)
            void operators.reload()
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
  const submit = () => addOperator({ name, role, ...(password !== '' && { password }) }).then(onDone)
  return (
    <Ask title="Add an operator" action="Add" onSubmit={submit} onClose={onDone}>
      <TextField label="Name" value={name} onType={setName} />
      <label>
        Role
        <select value={role} onChange={({ currentTarget }) => setRole(currentTarget.value)}>
          <option value="viewer">viewer: reads</option>
          <option value="editor">editor: changes the gateway</option>
          <option value="admin">admin: also operators, tokens and secrets</option>
        </select>
      </label>
      <TextField
        label="Password"
        hint="at least 12 characters; without one: tokens only"
        password="new-password"
        isOptional
        value={password}
        onType={setPassword}
      />
    </Ask>
  )
}
