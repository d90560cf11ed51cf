import { type FormNode, type ListNode, newNode, toNode } from '../model/form.ts'
import type { FieldProps } from './context.ts'

/** An array, or a set; a set of few values as boxes to tick. */
export function ListField(props: FieldProps<ListNode>) {
  const { schema, items } = props.node
  const options = schema.elements?.one_of
  const isOfOptions = items.every(item => item.kind === 'choice' && options?.includes(item.value))
  if (schema.type === 'set' && options && isOfOptions) return <BoxesField {...props} options={options} />
  return <ElementsField {...props} />
}

function BoxesField({
  node,
  onChange,
  form,
  options,
}: FieldProps<ListNode> & { readonly options: readonly unknown[] }) {
  const { schema, items } = node
  // What is not set shows what Kong will take.
  const byDefault = node.presence === 'absent' && Array.isArray(schema.default) ? schema.default : []
  const chosen: readonly unknown[] =
    node.presence === 'set' ? items.map(item => item.kind === 'choice' && item.value) : byDefault
  const toggle = (option: unknown, isOn: boolean) => {
    const next = isOn ? [...chosen, option] : chosen.filter(one => one !== option)
    onChange(toNode(schema, next))
  }
  return (
    <div class="boxes">
      {options.map(option => (
        <label key={String(option)}>
          <input
            type="checkbox"
            disabled={form.isReadOnly}
            checked={chosen.includes(option)}
            onChange={({ currentTarget: { checked } }) => toggle(option, checked)}
          />
          {String(option)}
        </label>
      ))}
    </div>
  )
}

function ElementsField({ name, pointer, node, onChange, form }: FieldProps<ListNode>) {
  const { schema, items } = node
  const change = (next: readonly FormNode[]) => onChange({ ...node, presence: 'set', items: next })
  const move = (i: number) => {
    const [item] = items.slice(i, i + 1)
    if (item) change([...items.slice(0, i - 1), item, ...items.slice(i - 1, i), ...items.slice(i + 1)])
  }
  return (
    <div class="elements">
      {node.presence === 'set' && items.length === 0 && <p class="muted">empty list</p>}
      {items.map((item, i) => {
        const itemName = `${name} ${i + 1}`
        const isNested = item.kind === 'record' || item.kind === 'map' || item.kind === 'list'
        return (
          <div class="element" key={i} role="group" aria-label={itemName} data-pointer={`${pointer}/${i}`}>
            {isNested && <span class="element-title">{itemName}</span>}
            <div class="edit">
              <form.Editor
                name={itemName}
                pointer={`${pointer}/${i}`}
                node={item}
                onChange={next => change(items.with(i, next))}
                form={form}
                ids={{ input: '', help: '' }}
              />
            </div>
            {form.faults.has(`${pointer}/${i}`) && <p class="fault">{form.faults.get(`${pointer}/${i}`)}</p>}
            {!form.isReadOnly && (
              <div class="element-actions">
                {i > 0 && schema.type === 'array' && (
                  <button
                    type="button"
                    class="quiet"
                    aria-label={`Move ${itemName} up`}
                    onClick={() => move(i)}
                  >
                    Up
                  </button>
                )}
                <button
                  type="button"
                  class="quiet"
                  aria-label={`Remove ${itemName}`}
                  onClick={() => change(items.toSpliced(i, 1))}
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
          onClick={() => change([...items, newNode(schema.elements ?? {})])}
        >
          Add
        </button>
      )}
    </div>
  )
}
