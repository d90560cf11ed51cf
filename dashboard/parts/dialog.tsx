import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'

export interface DialogProps {
  readonly title: string
  /** Undefined: it cannot be left. */
  readonly onClose?: (() => void) | undefined
  readonly isWide?: boolean
  readonly children: ComponentChildren
}

/** A modal dialog; the focus goes back to where it was when it closes. */
export function Dialog({ title, onClose, isWide = false, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const before = document.activeElement
    element.current?.showModal()
    return () => {
      if (before instanceof HTMLElement) before.focus()
    }
  }, [])
  return (
    <dialog
      ref={element}
      class={isWide ? 'wide' : undefined}
      aria-label={title}
      onCancel={event => {
        event.preventDefault()
        onClose?.()
      }}
    >
      <header>
        <h2>{title}</h2>
        {onClose && (
          <button type="button" class="quiet" onClick={onClose}>
            Close
          </button>
        )}
      </header>
      {children}
    </dialog>
  )
}
