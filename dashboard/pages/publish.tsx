import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Change, Draft } from '../api/changes.ts'
import type { ApiProblem } from '../api/client.ts'
import { pluginNames } from '../api/entities.ts'
import { may } from '../api/session.ts'
import { apiOf, listOf, START, stepOfFault, type Typed } from '../model/publish-form.ts'
import { useResource } from '../parts/hooks.ts'
import { Notice, Trouble } from '../parts/notice.tsx'
import { Page } from '../parts/page.tsx'
import { Review } from '../parts/review.tsx'
import { Applied } from '../parts/undo.tsx'
import { StepFields } from './publish-steps.tsx'

const STEPS = ['What and where', 'Authentication', 'Limits', 'Cache'] as const

/** What was typed stays while the page is open. */
let kept: Typed = START

export function PublishPage() {
  const [typed, setTyped] = useState(kept)
  const [step, setStep] = useState(0)
  const [draft, setDraft] = useState<Draft>()
  const [problem, setProblem] = useState<Error>()
  const [applied, setApplied] = useState<Change>()
  const form = useRef<HTMLFormElement>(null)
  // The field that had the focus goes with its step.
  useLayoutEffect(() => {
    const fields = form.current
    const first = fields?.querySelector<HTMLElement>('input:checked') ?? fields?.querySelector('input')
    first?.focus()
  }, [step])
  const names = useResource('names of plugins', pluginNames)
  const plugins = new Set(names.value)
  const set = (change: Partial<Typed>) => {
    kept = { ...typed, ...change }
    setTyped(kept)
  }
  const next = (event: Event) => {
    event.preventDefault()
    setProblem(undefined)
    if (step < STEPS.length - 1) return setStep(step + 1)
    setDraft({ method: 'POST', path: '/v1/apis', body: apiOf(typed) })
  }
  const refuse = (refusal: ApiProblem) => {
    const [first] = refusal.faults
    if (first) setStep(stepOfFault(first.pointer))
    setProblem(refusal)
    setDraft(undefined)
  }
  if (!may('editor'))
    return (
      <Page title="Publish an API">
        <p>Publishing changes the gateway, and your role is viewer.</p>
      </Page>
    )
  if (applied)
    return (
      <Published
        change={applied}
        typed={typed}
        onAgain={() => {
          set(START)
          setApplied(undefined)
          setStep(0)
        }}
      />
    )
  return (
    <Page title="Publish an API" lead="Service, route and plugins in one change: all of it or nothing.">
      <StepButtons step={step} onChoose={setStep} />
      <Trouble error={problem} />
      <form ref={form} class="panel wizard" onSubmit={next}>
        <StepFields step={step} typed={typed} set={set} plugins={plugins} />
        <div class="actions">
          {step > 0 && (
            <button type="button" onClick={() => setStep(step - 1)}>
              Back
            </button>
          )}
          <button type="submit" class="primary">
            {step < STEPS.length - 1 ? 'Next' : 'Review…'}
          </button>
        </div>
      </form>
      {draft && (
        <Review
          title={`Publish ${typed.name}?`}
          draft={draft}
          onClose={() => setDraft(undefined)}
          onRefused={refuse}
          onApplied={({ change }) => setApplied(change)}
        />
      )}
    </Page>
  )
}

/** The steps so far can be gone back to. */
const StepButtons = ({ step, onChoose }: { step: number; onChoose: (step: number) => void }) => (
  <ol class="wizard-steps">
    {STEPS.map((title, i) => (
      <li key={title}>
        <button
          type="button"
          aria-current={i === step ? 'step' : undefined}
          disabled={i > step}
          onClick={() => onChoose(i)}
        >
          {i + 1}. {title}
        </button>
      </li>
    ))}
  </ol>
)

function Published({ change, typed, onAgain }: { change: Change; typed: Typed; onAgain: () => void }) {
  return (
    <Page title="Published">
      <Applied change={change} text={`${typed.name} is published.`} onUndone={onAgain} />
      <Notice tone="plain">
        <p>
          Clients call it at <code>{listOf(typed.paths)[0] ?? listOf(typed.hosts)[0]}</code> of the gateway.
          {typed.auth !== '' && ' They need a credential: create one for each consumer.'}
        </p>
        <a href="#/consumers">Consumers</a>
        <button type="button" onClick={onAgain}>
          Publish another API
        </button>
      </Notice>
    </Page>
  )
}
