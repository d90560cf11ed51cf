import { useState } from 'preact/hooks'
import { type Change, undoChange } from '../api/changes.ts'
import { Link } from './link.tsx'
import { Notice, Trouble } from './notice.tsx'
import { Progress } from './review.tsx'

/** Says that a change is in force, and takes it back with one click. */
export function Applied({ change, onUndone, text }: { change: Change; onUndone: () => void; text: string }) {
  return (
    <Notice tone="good" class="applied">
      <p>
        <strong>{text}</strong> <Link to={['changes', change.id]}>See the change</Link>
      </p>
      <UndoButton id={change.id} onUndone={onUndone} />
    </Notice>
  )
}

export function UndoButton({ id, onUndone }: { id: string; onUndone: () => void }) {
  const [progress, setProgress] = useState<Change>()
  const [error, setError] = useState<Error>()
  const [isBusy, setBusy] = useState(false)
  const undo = async () => {
    setBusy(true)
    setError(undefined)
    try {
      const change = await undoChange(id, setProgress)
      if (change.state === 'applied') return onUndone()
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
