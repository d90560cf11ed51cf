import { useEffect, useState } from 'preact/hooks'
import { listEntities } from '../api/entities.ts'
import type { ReferenceNode } from '../model/form.ts'
import { kindAt, labelOf } from '../model/kinds.ts'
import type { Json } from '../model/schema.ts'
import { EntityLink } from '../parts/link.tsx'
import { type FieldProps, type Ids, unsetText } from './context.ts'

const CHOICES = '8'
const TYPING_MS = 120

interface ReferenceProps extends FieldProps<ReferenceNode> {
  readonly ids: Ids
  readonly isWrong: boolean
}

/** Another entity: chosen by searching for its name. */
export function ReferenceField(props: ReferenceProps) {
  const { name, node, onChange, form } = props
  const { reference = '' } = node.schema
  const [isOpen, setOpen] = useState(false)
  const isSet = node.presence === 'set' && node.id !== ''
  return (
    <div class="reference">
      <span class="chosen">
        {isSet ? (
          <EntityLink kind={reference} id={node.id} />
        ) : (
          <span class="muted">{unsetText(node, form)}</span>
        )}
      </span>
      {!form.isReadOnly && (
        <button
          type="button"
          class="quiet"
          id={isOpen ? undefined : props.ids.input}
          aria-label={`${isSet ? 'Change' : 'Choose'} ${name}`}
          aria-expanded={isOpen}
          onClick={() => setOpen(!isOpen)}
        >
          {isSet ? 'Change' : 'Choose'}
        </button>
      )}
      {isOpen && (
        <Search
          {...props}
          reference={reference}
          onChoose={id => {
            onChange({ ...node, presence: 'set', id })
            setOpen(false)
          }}
        />
      )}
    </div>
  )
}

interface SearchProps extends ReferenceProps {
  readonly reference: string
  readonly onChoose: (id: string) => void
}

function Search({ name, reference, onChoose, ids, isWrong }: SearchProps) {
  const [text, setText] = useState('')
  const [rows, setRows] = useState<readonly Json[]>()
  useEffect(() => {
    const abort = new AbortController()
    const timer = setTimeout(() => {
      listEntities(reference, { q: text, size: CHOICES }, abort.signal).then(
        ({ data }) => setRows(data),
        () => {},
      )
    }, TYPING_MS)
    return () => {
      clearTimeout(timer)
      abort.abort()
    }
  }, [text, reference])
  const kind = kindAt(reference) ?? { shownBy: ['name'], noun: reference }
  return (
    <div class="search">
      <input
        type="search"
        id={ids.input}
        aria-label={`Search for ${name}`}
        aria-describedby={ids.help}
        aria-invalid={isWrong}
        placeholder="part of a name"
        autoFocus
        value={text}
        onInput={({ currentTarget }) => setText(currentTarget.value)}
        onKeyDown={event => {
          const [first] = rows ?? []
          if (event.key !== 'Enter') return
          event.preventDefault()
          if (first) onChoose(String(first.id))
        }}
      />
      <ul aria-label={`Found for ${name}`}>
        {rows?.map(row => (
          <li key={String(row.id)}>
            <button type="button" onClick={() => onChoose(String(row.id))}>
              {labelOf(kind, row)} <span class="muted">{String(row.id).slice(0, 8)}</span>
            </button>
          </li>
        ))}
      </ul>
      {rows?.length === 0 && <p class="muted">Nothing found.</p>}
    </div>
  )
}
