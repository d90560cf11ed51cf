import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'
import { escapePointer, isMasked, isSecret, type RecordNode, unsetNode, withField } from '../model/form.ts'
import type { FieldSchema } from '../model/schema.ts'
import { type FieldProps, type FormContext, type Ids, unsetText } from './context.ts'
import { ChoiceField, JsonField, NumberField, SecretField, TextField } from './inputs.tsx'
import { ListField } from './list.tsx'
import { MapField } from './map.tsx'
import { ReferenceField } from './reference.tsx'

/** The fields of a record, each with its label. */
export function RecordFields({ pointer, node, onChange, form }: Omit<FieldProps<RecordNode>, 'name'>) {
  return (
    <>
      {node.fields.map(({ name, node: field }) => (
        <Field
          key={name}
          name={name}
          pointer={`${pointer}/${escapePointer(name)}`}
          node={field}
          onChange={next => onChange(withField(node, name, next))}
          form={form}
        />
      ))}
    </>
  )
}

/** One field: its label, what it is edited with, what it means and what is wrong with it. */
export function Field(props: FieldProps) {
  const { name, pointer, node, onChange, form } = props
  const id = useId()
  const ids: Ids = { input: `${id}-input`, help: `${id}-help` }
  const fault = form.faults.get(pointer)
  const { required = false, description } = node.schema
  const isGroup = node.kind === 'record' || node.kind === 'map' || node.kind === 'list'
  const { elements, values } = node.schema
  // Fields within fields need the whole width.
  const isWide = node.kind === 'record' || [elements, values].some(part => part && isNested(part))
  const Outer = isGroup ? 'fieldset' : 'div'
  const Label = isGroup ? 'legend' : 'label'
  return (
    <Outer
      class={isWide ? 'field wide' : 'field'}
      data-pointer={pointer}
      {...(isGroup && { 'aria-describedby': ids.help })}
    >
      <Label {...(!isGroup && { htmlFor: ids.input })}>
        <span class="name">{name}</span>
        {required && <span class="muted"> required</span>}
        {node.presence !== 'set' && isGroup && <span class="muted"> {unsetText(node, form)}</span>}
      </Label>
      <div class="edit">
        <Editor {...props} ids={ids} />
        {node.presence === 'set' && !required && !form.isReadOnly && !isFixed(pointer, form) && (
          <button
            type="button"
            class="quiet unset"
            aria-label={`Unset ${name}`}
            onClick={() => onChange(unsetNode(node, form.isNew))}
          >
            Unset
          </button>
        )}
      </div>
      <div id={ids.help} class="help">
        {fault !== undefined && <p class="fault">{fault}</p>}
        {description !== undefined && <p>{withCode(description)}</p>}
      </div>
    </Outer>
  )
}

/** What stands between backticks, as code. */
const withCode = (text: string): ComponentChildren =>
  text.split('`').map((part, i) => (i % 2 === 1 ? <code key={part}>{part}</code> : part))

const isNested = ({ type = '' }: FieldSchema): boolean => ['record', 'map', 'array', 'set'].includes(type)

const isFixed = (pointer: string, { fixed }: FormContext): boolean => fixed.has(pointer.slice(1))

/** What a node is edited with. Also for elements of lists and values of maps, which have no label of their own. */
export function Editor({ ids, ...props }: FieldProps & { readonly ids: Ids }): ComponentChildren {
  const { name, node, pointer, form } = props
  const own = isFixed(pointer, form) ? { ...form, isReadOnly: true } : form
  const isWrong = form.faults.has(pointer)
  switch (node.kind) {
    case 'text':
      if (isMasked(node) || isSecret(name, node.schema))
        return <SecretField {...props} form={own} node={node} ids={ids} isWrong={isWrong} />
      return <TextField {...props} form={own} node={node} ids={ids} isWrong={isWrong} />
    case 'number':
      return <NumberField {...props} form={own} node={node} ids={ids} isWrong={isWrong} />
    case 'json':
      return <JsonField {...props} form={own} node={node} ids={ids} isWrong={isWrong} />
    case 'choice':
      return <ChoiceField {...props} form={own} node={node} ids={ids} isWrong={isWrong} />
    case 'reference':
      return <ReferenceField {...props} form={own} node={node} ids={ids} isWrong={isWrong} />
    case 'list':
      return <ListField {...props} form={own} node={node} />
    case 'map':
      return <MapField {...props} form={own} node={node} />
    case 'record':
      return (
        <div class="record">
          <RecordFields {...props} form={own} node={node} />
        </div>
      )
  }
}
