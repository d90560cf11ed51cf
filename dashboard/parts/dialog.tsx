import type { ComponentChildren } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'
import { QuietButton } from './button.tsx'

export interface DialogProps {
  readonly title: string
  /** Undefined: it cannot be left. */
  readonly onClose?: (() => void) | undefined
  readonly isWide?: boolean
  readonly children: ComponentChildren
}

/** Puts the focus on the heading of a part of the page. */
export const focusHeading = (part: ParentNode): void =>
  part.querySelector<HTMLElement>(':is(main, .panel) :is(h1, h2)')?.focus({ preventScroll: true })

/** Where the focus was before a dialog that makes way for another one. */
let opener: Element | null = null

/** In what the focus begins: the first field, of several to choose from the chosen one. */
const FIRST_FIELD = 'form :is(:checked, select, textarea, input:not([type="radio"], [readonly]))'

/** A modal dialog; when it closes, the focus goes back to where it was, or to the heading of what was there. */
export function Dialog({ title, onClose, isWide = false, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null)
  useLayoutEffect(() => {
    const { activeElement: active, body } = document
    const before = active === body ? opener : active
    const around = before?.closest('.panel, main') ?? document
    element.current?.showModal()
    element.current?.querySelector<HTMLElement>(FIRST_FIELD)?.focus()
    return () => {
      opener = before
      // What the dialog was opened from may go in the same moment.
      queueMicrotask(() => {
        opener = null
        if (document.activeElement !== body) return
        if (before instanceof HTMLElement && before.isConnected) before.focus()
        else focusHeading(around.isConnected ? around : document)
      })
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
        {onClose && <QuietButton onClick={onClose}>Close</QuietButton>}
      </header>
      {children}
    </dialog>
  )
}
