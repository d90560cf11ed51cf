import type { ComponentChildren } from 'preact'
import { useId, useState } from 'preact/hooks'
import type { Change } from '../api/changes.ts'
import type { ApiProblem } from '../api/client.ts'
import { pluginNames } from '../api/entities.ts'
import { may } from '../api/session.ts'
import type { Operation } from '../model/operation.ts'
import { type ApiAnswers, publishOperations, stepOfFault } from '../model/publish.ts'
import { useResource } from '../parts/hooks.ts'
import { Notice, Trouble } from '../parts/notice.tsx'
import { Page } from '../parts/page.tsx'
import { Review } from '../parts/review.tsx'
import { Applied } from '../parts/undo.tsx'

const STEPS = ['What and where', 'Authentication', 'Limits', 'Cache'] as const

const AUTHS: readonly (readonly [plugin: string, title: string, help: string])[] = [
  ['', 'None', 'Anybody may call it.'],
  ['key-auth', 'Keys', 'Each consumer sends a key in the header apikey.'],
  ['basic-auth', 'Names and passwords', 'HTTP Basic.'],
  ['jwt', 'JWT', 'Each consumer sends a token that it has signed.'],
  ['hmac-auth', 'HMAC', 'Each consumer signs its requests.'],
]

const START = {
  name: '',
  url: '',
  paths: '',
  hosts: '',
  auth: 'key-auth',
  hasLimit: true,
  requests: '60',
  seconds: '60',
  hasCache: false,
  cacheSeconds: '60',
}

type Typed = typeof START

const listOf = (text: string): readonly string[] => text.split(/[\s,]+/).filter(part => part !== '')

const answersOf = (typed: Typed): ApiAnswers => ({
  name: typed.name.trim(),
  url: typed.url.trim(),
  paths: listOf(typed.paths),
  hosts: listOf(typed.hosts),
  auth: typed.auth,
  limit: typed.hasLimit ? { requests: Number(typed.requests), seconds: Number(typed.seconds) } : undefined,
  cacheSeconds: typed.hasCache ? Number(typed.cacheSeconds) : undefined,
})

/** What was typed stays while the page is open. */
let kept: Typed = START

export function PublishPage() {
  const [typed, setTyped] = useState(kept)
  const [step, setStep] = useState(0)
  const [operations, setOperations] = useState<readonly Operation[]>()
  const [problem, setProblem] = useState<Error>()
  const [applied, setApplied] = useState<Change>()
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
    setOperations(publishOperations(answersOf(typed), { plugins, newId: () => crypto.randomUUID() }))
  }
  const refuse = (refusal: ApiProblem) => {
    const [first] = refusal.faults
    if (first && operations) setStep(stepOfFault(first.pointer, operations))
    setProblem(refusal)
    setOperations(undefined)
  }
  if (!may('editor'))
    return (
      <Page title="Publish an API">
        <p>Your role is viewer: you can look at the gateway, but not change it.</p>
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
      <ol class="wizard-steps">
        {STEPS.map((title, i) => (
          <li key={title}>
            <button
              type="button"
              aria-current={i === step ? 'step' : undefined}
              disabled={i > step}
              onClick={() => setStep(i)}
            >
              {i + 1}. {title}
            </button>
          </li>
        ))}
      </ol>
      <Trouble error={problem} />
      <form class="panel wizard" onSubmit={next}>
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
      {operations && (
        <Review
          title={`Publish ${typed.name}?`}
          draft={{ operations }}
          onClose={() => setOperations(undefined)}
          onRefused={refuse}
          onApplied={({ change }) => setApplied(change)}
        />
      )}
    </Page>
  )
}

interface StepProps {
  readonly typed: Typed
  readonly set: (change: Partial<Typed>) => void
  readonly plugins: ReadonlySet<string>
}

function StepFields({ step, ...props }: StepProps & { readonly step: number }) {
  switch (step) {
    case 0:
      return <WhatStep {...props} />
    case 1:
      return <AuthStep {...props} />
    case 2:
      return <LimitStep {...props} />
    default:
      return <CacheStep {...props} />
  }
}

interface InputProps {
  readonly label: string
  readonly help: string
  readonly value: string
  readonly onType: (value: string) => void
  readonly placeholder?: string
  readonly pattern?: string
  readonly isOptional?: boolean
  readonly type?: 'text' | 'url'
}

function Input({ label, help, value, onType, ...rest }: InputProps) {
  const id = useId()
  const { placeholder = '', pattern, isOptional = false, type = 'text' } = rest
  return (
    <div class="wizard-field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        aria-describedby={`${id}-help`}
        {...(type === 'url' ? ({ type } as const) : ({ type } as const))}
        required={!isOptional}
        value={value}
        placeholder={placeholder}
        {...(pattern !== undefined && { pattern })}
        spellcheck={false}
        onInput={({ currentTarget }) => onType(currentTarget.value)}
      />
      <span class="help" id={`${id}-help`}>
        {help}
      </span>
    </div>
  )
}

function WhatStep({ typed, set }: StepProps) {
  return (
    <>
      <Input
        label="Name"
        help="Of the service and its route."
        placeholder="orders"
        pattern="[A-Za-z0-9._~\-]+"
        value={typed.name}
        onType={name => set({ name })}
      />
      <Input
        label="URL"
        help="Where the service answers, as the gateway reaches it."
        type="url"
        placeholder="http://orders.internal:8080/v1"
        value={typed.url}
        onType={url => set({ url })}
      />
      <Input
        label="Paths"
        help="Under which clients find it; several with spaces between."
        placeholder="/orders"
        isOptional={typed.hosts.trim() !== ''}
        value={typed.paths}
        onType={paths => set({ paths })}
      />
      <Input
        label="Hosts"
        help="Optional: only requests for these host names."
        placeholder="api.example.org"
        isOptional
        value={typed.hosts}
        onType={hosts => set({ hosts })}
      />
    </>
  )
}

function AuthStep({ typed, set, plugins }: StepProps) {
  return (
    <fieldset class="radios">
      <legend>Who may call it</legend>
      {AUTHS.filter(([plugin]) => plugin === '' || plugins.has(plugin)).map(([plugin, title, help]) => (
        <label class="accept" key={plugin}>
          <input
            type="radio"
            name="auth"
            checked={typed.auth === plugin}
            onChange={() => set({ auth: plugin })}
          />
          <span>
            <strong>{title}</strong> <span class="muted">{help}</span>
          </span>
        </label>
      ))}
    </fieldset>
  )
}

function Toggle({
  label,
  isOn,
  onTurn,
  children,
}: {
  label: string
  isOn: boolean
  onTurn: (isOn: boolean) => void
  children: ComponentChildren
}) {
  return (
    <>
      <label class="accept">
        <input
          type="checkbox"
          checked={isOn}
          onChange={({ currentTarget }) => onTurn(currentTarget.checked)}
        />
        {label}
      </label>
      {isOn && children}
    </>
  )
}

function LimitStep({ typed, set }: StepProps) {
  return (
    <Toggle label="Limit each consumer" isOn={typed.hasLimit} onTurn={hasLimit => set({ hasLimit })}>
      <Input
        label="Requests"
        help="How many each consumer may send, without one each address."
        pattern="[1-9][0-9]*"
        value={typed.requests}
        onType={requests => set({ requests })}
      />
      <label class="wizard-field">
        <span>In a</span>
        <select value={typed.seconds} onChange={({ currentTarget }) => set({ seconds: currentTarget.value })}>
          <option value="1">second</option>
          <option value="60">minute</option>
          <option value="3600">hour</option>
          <option value="86400">day</option>
        </select>
      </label>
    </Toggle>
  )
}

function CacheStep({ typed, set }: StepProps) {
  return (
    <Toggle
      label="Keep answers and give them again"
      isOn={typed.hasCache}
      onTurn={hasCache => set({ hasCache })}
    >
      <Input
        label="Seconds"
        help="How long an answer is good. Only answers to GET and HEAD are kept."
        pattern="[1-9][0-9]*"
        value={typed.cacheSeconds}
        onType={cacheSeconds => set({ cacheSeconds })}
      />
    </Toggle>
  )
}

function Published({ change, typed, onAgain }: { change: Change; typed: Typed; onAgain: () => void }) {
  return (
    <Page title="Published">
      <Applied change={change} text={`${typed.name} is published.`} onUndone={onAgain} />
      <Notice tone="plain">
        <p>
          Clients find it at <code>{listOf(typed.paths)[0] ?? listOf(typed.hosts)[0]}</code> of the gateway.
          {typed.auth !== '' && ' They need a credential: give consumers one under Consumers.'}
        </p>
        <a href="#/consumers">Consumers</a>
        <button type="button" onClick={onAgain}>
          Publish another one
        </button>
      </Notice>
    </Page>
  )
}
