import type { ComponentChildren } from 'preact'

interface QuietButtonProps {
  /** With what it concerns, where the text alone would not tell: `Reset hour`. */
  readonly label?: string
  readonly onClick: () => void
  readonly children: ComponentChildren
}

/** A button that stands within text or a row. */
export const QuietButton = ({ label, onClick, children }: QuietButtonProps) => (
  <button type="button" class="quiet" {...(label !== undefined && { 'aria-label': label })} onClick={onClick}>
    {children}
  </button>
)
