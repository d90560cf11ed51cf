import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { type FormNode, toNode, toValue } from '../model/form.ts'
import { type FieldSchema, isObject } from '../model/schema.ts'
import type { FormContext } from './context.ts'
import { Editor, RecordFields } from './fields.tsx'

export interface EntityFormProps {
  readonly schema: FieldSchema
  readonly node: FormNode
  readonly onChange: (node: FormNode) => void
  readonly context: Omit<FormContext, 'Editor'>
  readonly onSubmit: () => void
  readonly actions: ComponentChildren
}

/** An entity as fields, or as JSON. */
export function EntityForm({ schema, node, onChange, context, onSubmit, actions }: EntityFormProps) {
  const [json, setJson] = useState<string>()
  const [error, setError] = useState('')
  const show = (isJson: boolean) => {
    if (error !== '') return
    setJson(isJson ? JSON.stringify(toValue(node).value, null, 2) : undefined)
  }
  const type = (text: string) => {
    setJson(text)
    try {
      const value: unknown = JSON.parse(text)
      if (!isObject(value)) throw new Error('it must be an object')
      onChange(toNode(schema, value))
      setError('')
    } catch (problem) {
      setError(`Not valid JSON: ${(problem as Error).message}`)
    }
  }
  const isJson = json !== undefined
  return (
    <form
      class="entity"
      onSubmit={event => {
        event.preventDefault()
        if (error === '') onSubmit()
      }}
    >
      <div class="tabs" role="tablist" aria-label="How to edit">
        {[false, true].map(tab => (
          <button
            key={String(tab)}
            type="button"
            role="tab"
            aria-selected={isJson === tab}
            onClick={() => show(tab)}
          >
            {tab ? 'JSON' : 'Form'}
          </button>
        ))}
      </div>
      {isJson ? (
        <JsonEditor text={json} onType={type} error={error} context={context} />
      ) : (
        node.kind === 'record' && (
          <RecordFields pointer="" node={node} onChange={onChange} form={{ ...context, Editor }} />
        )
      )}
      <div class="actions sticky">{actions}</div>
    </form>
  )
}

interface JsonEditorProps {
  readonly text: string
  readonly onType: (text: string) => void
  /** Why the text is no entity. */
  readonly error: string
  readonly context: EntityFormProps['context']
}

const JsonEditor = ({ text, onType, error, context }: JsonEditorProps) => (
  <div class="json">
    <textarea
      class="code"
      aria-label="JSON"
      rows={28}
      spellcheck={false}
      readOnly={context.isReadOnly}
      value={text}
      onInput={({ currentTarget }) => onType(currentTarget.value)}
    />
    {error !== '' && <p class="fault">{error}</p>}
    {[...context.faults].map(([pointer, detail]) => (
      <p class="fault" key={pointer}>
        {detail}
      </p>
    ))}
  </div>
)
