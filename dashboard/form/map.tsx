import { escapePointer, type MapNode, newNode } from '../model/form.ts'
import type { FieldProps } from './context.ts'
import { Element, Elements } from './elements.tsx'

type Entries = MapNode['entries']

/** Pairs of key and value. */
export function MapField({ name, pointer, node, onChange, form }: FieldProps<MapNode>) {
  const { entries, schema } = node
  const change = (next: Entries) => onChange({ ...node, presence: 'set', entries: next })
  return (
    <Elements
      name={name}
      empty={node.presence === 'set' && entries.length === 0 && 'empty map'}
      form={form}
      onAdd={() => change([...entries, { key: '', node: newNode(schema.values ?? {}) }])}
    >
      {entries.map(({ key, node: value }, i) => {
        const at = `${pointer}/${escapePointer(key)}`
        const named = key === '' ? `key ${i + 1}` : key
        return (
          <Element
            key={i}
            label={`${name} ${key}`}
            pointer={at}
            form={form}
            isPair
            lead={
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
            }
            removed={`${named} of ${name}`}
            onRemove={() => change(entries.toSpliced(i, 1))}
          >
            <form.Editor
              name={`Value of ${named}`}
              pointer={at}
              node={value}
              onChange={next => change(entries.with(i, { key, node: next }))}
              form={form}
              ids={{ input: '', help: '' }}
            />
          </Element>
        )
      })}
    </Elements>
  )
}
