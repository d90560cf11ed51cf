import type { ComponentChildren } from 'preact'
import { useRef, useState } from 'preact/hooks'
import { Dialog } from './dialog.tsx'
import { Trouble } from './notice.tsx'

export interface AskProps {
  readonly title: string
  /** Text of the button that does it. */
  readonly action: string
  /** It takes something away. */
  readonly isDanger?: boolean
  /** Does it; why it failed is shown. */
  readonly onSubmit: () => Promise<unknown>
  readonly onClose: () => void
  readonly children?: ComponentChildren
}

/** A dialog with a few fields and one button. */
export function Ask({ title, action, isDanger = false, onSubmit, onClose, children }: AskProps) {
  const { error, submit } = useSubmit(onSubmit)
  return (
    <Dialog title={title} onClose={onClose}>
      <form class="apply" onSubmit={submit}>
        <Trouble error={error} />
        {children}
        <div class="actions">
          <button type="submit" class={isDanger ? 'danger' : 'primary'}>
            {action}
          </button>
        </div>
      </form>
    </Dialog>
  )
}

/** What a form does when it is sent, once at a time, and why that failed. */
export function useSubmit(work: () => Promise<unknown>) {
  const [error, setError] = useState<Error>()
  const isBusy = useRef(false)
  const submit = async (event: Event) => {
    event.preventDefault()
    // A second click does nothing a second time.
    if (isBusy.current) return
    isBusy.current = true
    setError(undefined)
    await work().catch(setError)
    isBusy.current = false
  }
  return { error, submit: (event: Event) => void submit(event) }
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
