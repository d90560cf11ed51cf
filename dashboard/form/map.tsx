import { escapePointer, type MapNode, newNode } from '../model/form.ts'
import type { FieldProps } from './context.ts'

type Entries = MapNode['entries']

/** Pairs of key and value. */
export function MapField({ name, pointer, node, onChange, form }: FieldProps<MapNode>) {
  const { entries, schema } = node
  const change = (next: Entries) => onChange({ ...node, presence: 'set', entries: next })
  return (
    <div class="elements">
      {node.presence === 'set' && entries.length === 0 && <p class="muted">empty map</p>}
      {entries.map(({ key, node: value }, i) => {
        const at = `${pointer}/${escapePointer(key)}`
        return (
          <div class="element pair" key={i} role="group" aria-label={`${name} ${key}`} data-pointer={at}>
            <input
              type="text"
              aria-label={`Key ${i + 1} of ${name}`}
              placeholder="key"
              spellcheck={false}
              disabled={form.isReadOnly}
              value={key}
              onInput={({ currentTarget }) =>
                change(entries.with(i, { key: currentTarget.value, node: value }))
              }
            />
            <div class="edit">
              <form.Editor
                name={`Value of ${key === '' ? `key ${i + 1}` : key}`}
                pointer={at}
                node={value}
                onChange={next => change(entries.with(i, { key, node: next }))}
                form={form}
                ids={{ input: '', help: '' }}
              />
            </div>
            {form.faults.has(at) && <p class="fault">{form.faults.get(at)}</p>}
            {!form.isReadOnly && (
              <div class="element-actions">
                <button
                  type="button"
                  class="quiet"
                  aria-label={`Remove ${key === '' ? `key ${i + 1}` : key} of ${name}`}
                  onClick={() => change(entries.toSpliced(i, 1))}
                >
                  Remove
                </button>
              </div>
            )}
          </div>
        )
      })}
      {!form.isReadOnly && (
        <button
          type="button"
          class="quiet"
          aria-label={`Add to ${name}`}
          onClick={() => change([...entries, { key: '', node: newNode(schema.values ?? {}) }])}
        >
          Add
        </button>
      )}
    </div>
  )
}
