import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'
import type { Typed } from '../model/publish-form.ts'

const AUTHS: readonly (readonly [plugin: string, title: string, help: string])[] = [
  ['', 'None', 'Anybody may call it.'],
  ['key-auth', 'Keys', 'Each consumer sends a key in the header apikey.'],
  ['basic-auth', 'Names and passwords', 'HTTP Basic.'],
  ['jwt', 'JWT', 'Each consumer sends a token that it has signed.'],
  ['hmac-auth', 'HMAC', 'Each consumer signs its requests.'],
]

interface StepProps {
  readonly typed: Typed
  readonly set: (change: Partial<Typed>) => void
  readonly plugins: ReadonlySet<string>
}

/** The fields of one step of the wizard. */
export function StepFields({ step, ...props }: StepProps & { readonly step: number }) {
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
        help="Names the service and its route."
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
        help="Paths that clients call. Separate several by spaces."
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
        help="How many each consumer may send; without authentication, each address."
        pattern="[1-9][0-9]*"
        value={typed.requests}
        onType={requests => set({ requests })}
      />
      <label class="wizard-field">
        <span>Per</span>
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
    <Toggle label="Cache responses" isOn={typed.hasCache} onTurn={hasCache => set({ hasCache })}>
      <Input
        label="Seconds"
        help="How long a response stays fresh. Only responses to GET and HEAD are cached."
        pattern="[1-9][0-9]*"
        value={typed.cacheSeconds}
        onType={cacheSeconds => set({ cacheSeconds })}
      />
    </Toggle>
  )
}
