import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { type Change, undoChange } from '../api/changes.ts'
import { focusHeading } from './dialog.tsx'
import { Link } from './link.tsx'
import { Notice, Trouble } from './notice.tsx'
import { Progress } from './review.tsx'

interface AppliedProps {
  readonly change: Change
  /** Resolves when the page shows it. */
  readonly onUndone: () => Promise<void> | void
  readonly text: string
}

/** Says that a change is in force, and takes it back with one click. */
export function Applied({ change, onUndone, text }: AppliedProps) {
  const element = useRef<HTMLParagraphElement>(null)
  // What was edited is drawn anew; keyboard and screen reader go on here.
  useLayoutEffect(() => {
    const { current: here } = element
    here?.focus({ preventScroll: true })
    return () => {
      const { activeElement: active, body } = document
      // The button that was pressed lost it when it was disabled.
      if (active === body || here?.parentElement?.contains(active)) focusHeading(document)
    }
  }, [change.id])
  return (
    <Notice tone="good" class="applied">
      <p ref={element} tabIndex={-1}>
        <strong>{text}</strong> <Link to={['changes', change.id]}>See the change</Link>
      </p>
      <UndoButton id={change.id} onUndone={onUndone} />
    </Notice>
  )
}

export function UndoButton({ id, onUndone }: { id: string; onUndone: AppliedProps['onUndone'] }) {
  const [progress, setProgress] = useState<Change>()
  const [error, setError] = useState<Error>()
  const [isBusy, setBusy] = useState(false)
  const undo = async () => {
    setBusy(true)
    setError(undefined)
    try {
      const change = await undoChange(id, setProgress)
      if (change.state === 'applied') return await onUndone()
      setError(new Error(change.failure?.detail ?? `the undo is ${change.state}`))
    } catch (problem) {
      setError(problem as Error)
    } finally {
      setBusy(false)
    }
  }
  return (
    <>
      <button type="button" disabled={isBusy} onClick={() => void undo()}>
        {isBusy ? 'Undoing…' : 'Undo'}
      </button>
      {isBusy && progress && <Progress change={progress} />}
      <Trouble error={error} />
    </>
  )
}
