import { useState } from 'preact/hooks'
import type { ChoiceNode, TextNode } from '../model/form.ts'
import { type FieldSchema, MASK } from '../model/schema.ts'
import { QuietButton } from '../parts/button.tsx'
import { type FieldProps, type Ids, unsetText } from './context.ts'

export interface InputProps<N extends TextNode | ChoiceNode> extends FieldProps<N> {
  readonly ids: Ids
  readonly isWrong: boolean
}

const attributes = ({ ids, isWrong, form, name }: InputProps<TextNode | ChoiceNode>) => ({
  id: ids.input,
  'aria-describedby': ids.help,
  'aria-invalid': isWrong,
  // Elements of lists have no label of their own.
  ...(ids.help === '' && { 'aria-label': name }),
  disabled: form.isReadOnly,
})

/** Texts that are lines of their own: certificates, keys, Lua. */
const isLong = (name: string, text: string) =>
  text.includes('\n') || text.length > 100 || /cert|_key$|^key$|functions/.test(name)

export function TextField(props: InputProps<TextNode>) {
  const { name, node, onChange, form } = props
  const common = {
    ...attributes(props),
    value: node.text,
    placeholder: node.presence === 'set' ? 'empty text' : unsetText(node, form),
    spellcheck: false,
    onInput: ({ currentTarget: { value } }: { currentTarget: { value: string } }) =>
      onChange({ ...node, presence: 'set', text: value }),
  }
  const lines = Math.min(12, node.text.split('\n').length + 1)
  return isLong(name, node.text) ? <textarea rows={lines} {...common} /> : <input type="text" {...common} />
}

export function NumberField(props: InputProps<TextNode>) {
  const { node, onChange, form } = props
  const { between, type } = node.schema
  const range = between ? `, ${between[0]} to ${between[1]}` : ''
  return (
    <input
      type="text"
      inputMode={type === 'integer' ? 'numeric' : 'decimal'}
      {...attributes(props)}
      value={node.text}
      placeholder={`${unsetText(node, form)} (${type}${range})`}
      onInput={({ currentTarget: { value } }) =>
        // A number cannot be empty.
        onChange({ ...node, presence: value === '' ? (form.isNew ? 'absent' : 'unset') : 'set', text: value })
      }
    />
  )
}

export function JsonField(props: InputProps<TextNode>) {
  const { node, onChange, form } = props
  return (
    <textarea
      class="code"
      rows={Math.min(20, node.text.split('\n').length + 1)}
      {...attributes(props)}
      spellcheck={false}
      value={node.text}
      placeholder={`${unsetText(node, form)} (JSON)`}
      onInput={({ currentTarget: { value } }) =>
        onChange({ ...node, presence: value.trim() === '' ? 'unset' : 'set', text: value })
      }
    />
  )
}

/** Private keys have lines; a key that Kong can make up has none. */
const hasLines = (name: string, { auto }: FieldSchema) =>
  /^(private_)?key(_alt)?$/.test(name) && auto !== true

/** A secret that is stored is not here; only a new one can be given. */
export function SecretField(props: InputProps<TextNode>) {
  const { name, node, onChange, form } = props
  const [isShown, setShown] = useState(false)
  const isStored = node.text === MASK
  const common = {
    ...attributes(props),
    value: isStored ? '' : node.text,
    placeholder: isStored ? 'stored, not shown; type to replace it' : unsetText(node, form),
    spellcheck: false,
    onInput: ({ currentTarget: { value } }: { currentTarget: { value: string } }) =>
      onChange({ ...node, presence: 'set', text: value === '' && isStored ? MASK : value }),
  }
  return (
    <>
      {hasLines(name, node.schema) ? (
        <textarea rows={4} class={isShown ? undefined : 'concealed'} autoComplete="off" {...common} />
      ) : (
        <input
          {...common}
          autoComplete="new-password"
          {...(isShown ? ({ type: 'text' } as const) : ({ type: 'password' } as const))}
        />
      )}
      {!isStored && node.text !== '' && (
        <QuietButton label={`${isShown ? 'Hide' : 'Show'} ${name}`} onClick={() => setShown(!isShown)}>
          {isShown ? 'Hide' : 'Show'}
        </QuietButton>
      )}
    </>
  )
}

const wordOf = (value: unknown): string =>
  typeof value === 'boolean' ? (value ? 'yes' : 'no') : value === '' ? 'empty text' : String(value)

export function ChoiceField(props: InputProps<ChoiceNode>) {
  const { node, onChange, form } = props
  const { options, value, presence, schema } = node
  const chosen = presence === 'set' ? String(options.indexOf(value)) : ''
  return (
    <select
      {...attributes(props)}
      value={chosen}
      onChange={({ currentTarget: { value: index } }) =>
        onChange(
          index === ''
            ? { ...node, presence: form.isNew ? 'absent' : 'unset', value: undefined }
            : { ...node, presence: 'set', value: options[Number(index)] },
        )
      }
    >
      {(presence !== 'set' || !schema.required || (form.isNew && schema.default !== undefined)) && (
        <option value="">
          {unsetText({ ...node, presence: presence === 'set' ? 'absent' : presence }, form)}
        </option>
      )}
      {options.map((option, i) => (
        <option key={wordOf(option)} value={String(i)}>
          {wordOf(option)}
        </option>
      ))}
    </select>
  )
}
