import { useEffect, useRef, useState } from 'preact/hooks'
import {
  type Change,
  type Draft,
  type Ended,
  isEnded,
  type Plan,
  planChange,
  type Submitting,
  submitChange,
} from '../api/changes.ts'
import { ApiProblem } from '../api/client.ts'
import { toneOfChange, WORD_OF_CHANGE } from './change-state.ts'
import { Dialog } from './dialog.tsx'
import { Steps } from './difference.tsx'
import { Badge, Trouble } from './notice.tsx'

export interface ReviewProps {
  readonly title: string
  /** What the plan does not say. */
  readonly note?: string
  readonly draft: Draft
  /** It is in force. */
  readonly onApplied: (ended: Ended) => Promise<void> | void
  /** It is wrong, and a form shows where; left out: the dialog says why. */
  readonly onRefused?: (problem: ApiProblem) => void
  readonly onClose: () => void
}

/** What a change would do; then the change, as it goes. */
export function Review(props: ReviewProps) {
  const { title, note, onClose } = props
  const { plan, progress, error, isBusy, apply } = useSubmission(props)
  const isNothing = plan?.steps.length === 0
  return (
    <Dialog title={title} onClose={isBusy ? undefined : onClose} isWide>
      {note !== undefined && <p>{note}</p>}
      {!plan && !error && <p role="status">Checking…</p>}
      {isNothing && <p>Nothing would change.</p>}
      {plan && <Steps steps={plan.steps} />}
      <Trouble error={error} />
      {plan && !isNothing && (
        <ApplyForm
          irreversible={plan.irreversible || askedToAccept(error)}
          progress={progress}
          isBusy={isBusy}
          onApply={wish => void apply(wish)}
          onClose={onClose}
        />
      )}
      {(isNothing || (error && !plan)) && (
        <div class="actions">
          <button type="button" onClick={onClose}>
            Go back
          </button>
        </div>
      )}
    </Dialog>
  )
}

const REFUSALS: readonly number[] = [400, 409, 412, 422]

/** How many parts cannot be undone, of a change whose plan did not tell; a conflict is one whoever consents. */
const askedToAccept = (error?: Error): number =>
  error instanceof ApiProblem && error.status !== 409
    ? error.faults.filter(({ code }) => code === 'irreversible').length
    : 0

/** Asks what a change would do, makes it, and follows it to its end. */
function useSubmission({ draft, onApplied, onRefused }: ReviewProps) {
  const [plan, setPlan] = useState<Plan>()
  const [progress, setProgress] = useState<Change>()
  const [error, setError] = useState<Error>()
  const [isBusy, setBusy] = useState(false)
  const key = useRef(crypto.randomUUID())
  const fail = (problem: Error) => {
    setBusy(false)
    if (onRefused && problem instanceof ApiProblem && REFUSALS.includes(problem.status)) onRefused(problem)
    else setError(problem)
  }
  useEffect(() => {
    planChange(draft).then(setPlan, fail)
  }, [])
  const apply = async (wish: Wish) => {
    setBusy(true)
    setError(undefined)
    const submitting = { ...wish, key: key.current, onProgress: setProgress }
    try {
      const ended = await submitChange(draft, submitting)
      const { change } = ended
      if (change.state === 'applied') return await onApplied(ended)
      const detail = change.failure?.detail ?? `the change is ${change.state}`
      fail(new ApiProblem(502, { ...change.failure, detail }, change.id))
      key.current = crypto.randomUUID()
    } catch (problem) {
      fail(problem as Error)
    }
  }
  return { plan, progress, error, isBusy, apply }
}

type Wish = Pick<Submitting, 'reason' | 'acceptsIrreversible'>

interface ApplyFormProps {
  /** How many parts cannot be undone. */
  readonly irreversible: number
  readonly progress: Change | undefined
  readonly isBusy: boolean
  readonly onApply: (wish: Wish) => void
  readonly onClose: () => void
}

/** The reason, the consent to what cannot be undone, and the button that makes the change. */
function ApplyForm({ irreversible, progress, isBusy, onApply, onClose }: ApplyFormProps) {
  const [reason, setReason] = useState('')
  const [acceptsIrreversible, setAccepted] = useState(false)
  return (
    <form
      class="apply"
      onSubmit={event => {
        event.preventDefault()
        onApply({ reason, acceptsIrreversible })
      }}
    >
      <label>
        Reason <span class="muted">optional; kept with the change</span>
        <input type="text" value={reason} onInput={({ currentTarget }) => setReason(currentTarget.value)} />
      </label>
      {irreversible > 0 && (
        <label class="accept">
          <input
            type="checkbox"
            required
            checked={acceptsIrreversible}
            onChange={({ currentTarget }) => setAccepted(currentTarget.checked)}
          />
          I understand that {irreversible === 1 ? 'part' : `${irreversible} parts`} of this cannot be undone
        </label>
      )}
      <div class="actions">
        {progress && isBusy && <Progress change={progress} />}
        <button type="button" onClick={onClose} disabled={isBusy}>
          Go back
        </button>
        <button type="submit" class="primary" disabled={isBusy}>
          {isBusy ? 'Applying…' : 'Apply'}
        </button>
      </div>
    </form>
  )
}

export function Progress({ change }: { change: Change }) {
  const { position = 0, steps = [] } = change
  const done = steps.filter(({ state }) => state === 'done').length
  return (
    <span class="progress" role="status">
      <Badge tone={toneOfChange(change.state)}>{WORD_OF_CHANGE[change.state] ?? change.state}</Badge>
      {position > 0 && ` ${position} ahead of it`}
      {!isEnded(change) && steps.length > 1 && ` ${done} of ${steps.length} steps`}
    </span>
  )
}
