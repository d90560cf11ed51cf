import { type FormNode, type ListNode, newNode, toNode } from '../model/form.ts'
import { QuietButton } from '../parts/button.tsx'
import type { FieldProps } from './context.ts'
import { Element, Elements } from './elements.tsx'

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
    <Elements
      name={name}
      empty={node.presence === 'set' && items.length === 0 && 'empty list'}
      form={form}
      onAdd={() => change([...items, newNode(schema.elements ?? {})])}
    >
      {items.map((item, i) => {
        const itemName = `${name} ${i + 1}`
        const at = `${pointer}/${i}`
        const isNested = item.kind === 'record' || item.kind === 'map' || item.kind === 'list'
        return (
          <Element
            key={i}
            label={itemName}
            pointer={at}
            form={form}
            lead={isNested && <span class="element-title">{itemName}</span>}
            actions={
              i > 0 &&
              schema.type === 'array' && (
                <QuietButton label={`Move ${itemName} up`} onClick={() => move(i)}>
                  Up
                </QuietButton>
              )
            }
            removed={itemName}
            onRemove={() => change(items.toSpliced(i, 1))}
          >
            <form.Editor
              name={itemName}
              pointer={at}
              node={item}
              onChange={next => change(items.with(i, next))}
              form={form}
              ids={{ input: '', help: '' }}
            />
          </Element>
        )
      })}
    </Elements>
  )
}
