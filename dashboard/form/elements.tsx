import type { ComponentChildren } from 'preact'
import { QuietButton } from '../parts/button.tsx'
import type { FormContext } from './context.ts'

interface ElementsProps {
  readonly name: string
  /** What the field says where it holds nothing. */
  readonly empty: string | false
  readonly form: FormContext
  readonly onAdd: () => void
  readonly children: ComponentChildren
}

/** The elements of a list or map, and the button that adds one. */
export const Elements = ({ name, empty, form, onAdd, children }: ElementsProps) => (
  <div class="elements">
    {empty !== false && <p class="muted">{empty}</p>}
    {children}
    {!form.isReadOnly && (
      <QuietButton label={`Add to ${name}`} onClick={onAdd}>
        Add
      </QuietButton>
    )}
  </div>
)

interface ElementProps {
  /** For screen readers. */
  readonly label: string
  readonly pointer: string
  readonly form: FormContext
  readonly isPair?: boolean
  /** Its title, or its key. */
  readonly lead: ComponentChildren
  /** Other buttons than that which removes it. */
  readonly actions?: ComponentChildren
  /** What the button removes. */
  readonly removed: string
  readonly onRemove: () => void
  readonly children: ComponentChildren
}

/** One element, with what is wrong with it and what can be done with it. */
export function Element({ label, pointer, form, lead, actions, removed, children, ...rest }: ElementProps) {
  const fault = form.faults.get(pointer)
  return (
    <div
      class={rest.isPair ? 'element pair' : 'element'}
      role="group"
      aria-label={label}
      data-pointer={pointer}
    >
      {lead}
      <div class="edit">{children}</div>
      {fault !== undefined && <p class="fault">{fault}</p>}
      {!form.isReadOnly && (
        <div class="element-actions">
          {actions}
          <QuietButton label={`Remove ${removed}`} onClick={rest.onRemove}>
            Remove
          </QuietButton>
        </div>
      )}
    </div>
  )
}
