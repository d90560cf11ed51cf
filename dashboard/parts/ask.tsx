import type { ComponentChildren } from 'preact'
import { Dialog } from './dialog.tsx'
import { Trouble } from './notice.tsx'

export interface AskProps {
  readonly title: string
  /** Text of the button that does it. */
  readonly action: string
  /** Why it failed. */
  readonly error: Error | undefined
  readonly onSubmit: () => void
  readonly onClose: () => void
  readonly children: ComponentChildren
}

/** A dialog with a few fields and one button. */
export function Ask({ title, action, error, onSubmit, onClose, children }: AskProps) {
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        class="apply"
        onSubmit={event => {
          event.preventDefault()
          onSubmit()
        }}
      >
        <Trouble error={error} />
        {children}
        <div class="actions">
          <button type="submit" class="primary">
            {action}
          </button>
        </div>
      </form>
    </Dialog>
  )
}

export interface TextFieldProps {
  readonly label: string
  /** Beside the label. */
  readonly hint?: string
  readonly value: string
  readonly onType: (value: string) => void
  /** May be left empty. */
  readonly isOptional?: boolean
  /** Only digits, of which this is the pattern. */
  readonly digits?: string
  /** Of a password: what browsers may fill in. */
  readonly password?: 'current-password' | 'new-password'
}

export function TextField({ label, hint, value, onType, isOptional = false, ...rest }: TextFieldProps) {
  const { digits, password } = rest
  return (
    <label>
      {label}
      {hint !== undefined && (
        <>
          {' '}
          <span class="muted">{hint}</span>
        </>
      )}
      <input
        {...(password === undefined
          ? ({ type: 'text' } as const)
          : ({ type: 'password', autoComplete: password } as const))}
        required={!isOptional}
        {...(digits !== undefined && ({ inputMode: 'numeric', pattern: digits } as const))}
        value={value}
        onInput={({ currentTarget }) => onType(currentTarget.value)}
      />
    </label>
  )
}
