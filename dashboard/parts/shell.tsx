import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { session, type Who } from '../api/session.ts'
import { type Connection, stream } from '../api/stream.ts'
import { formatSpan } from '../model/format.ts'
import { MAIN_KINDS } from '../model/kinds.ts'
import { writePlace } from '../model/place.ts'
import { QuietButton } from './button.tsx'
import { useStore } from './hooks.ts'

const GROUPS: readonly (readonly [
  title: string,
  links: readonly (readonly [path: string, title: string])[],
])[] = [
  [
    'Traffic',
    [
      ['', 'Overview'],
      ['breakers', 'Breakers'],
      ['limits', 'Limits'],
      ['cache', 'Cache'],
      ['audit', 'Audit'],
    ],
  ],
  [
    'Gateway',
    [['publish', 'Publish an API'], ...MAIN_KINDS.map(({ path, title }) => [path, title] as const)],
  ],
  [
    'Management',
    [
      ['changes', 'Changes'],
      ['drift', 'Drift'],
      ['catalogue', 'Catalogue'],
      ['operators', 'Operators'],
    ],
  ],
]

export interface ShellProps {
  readonly who: Who
  /** First part of the address. */
  readonly here: string
  readonly children: ComponentChildren
}

export function Shell({ who, here, children }: ShellProps) {
  const [isOpen, setOpen] = useState(false)
  useEffect(() => setOpen(false), [here])
  return (
    <div class="shell">
      <button type="button" class="skip" onClick={() => document.querySelector<HTMLElement>('main')?.focus()}>
        Skip to the content
      </button>
      <header class="top">
        <a class="brand" href="#/">
          Sluice
        </a>
        <button
          type="button"
          class="menu quiet"
          aria-expanded={isOpen}
          aria-controls="menu"
          onClick={() => setOpen(!isOpen)}
        >
          Menu
        </button>
        <ConnectionState />
        <span class="who">
          <a href="#/password">{who.name}</a> <span class="muted">({who.role})</span>
        </span>
        <QuietButton onClick={() => void session.logOut()}>Log out</QuietButton>
      </header>
      <nav id="menu" class={isOpen ? 'open' : undefined} aria-label="Pages">
        {GROUPS.map(([title, links]) => (
          <div key={title}>
            <h2>{title}</h2>
            <ul>
              {links
                .filter(([path]) => path !== 'publish' || who.role !== 'viewer')
                .map(([path, text]) => (
                  <li key={path}>
                    <a
                      href={writePlace([path].filter(Boolean))}
                      aria-current={here === path ? 'page' : undefined}
                    >
                      {text}
                    </a>
                  </li>
                ))}
            </ul>
          </div>
        ))}
      </nav>
      <main id="content" tabIndex={-1}>
        {children}
      </main>
    </div>
  )
}

function ConnectionState() {
  const connection = useStore(stream.connection)
  const isLost = connection.phase === 'lost'
  return (
    <span class={`connection ${connection.phase}`}>
      <span role="status">{TEXT[connection.phase]}</span>
      {isLost && <Lost connection={connection} />}
    </span>
  )
}

const TEXT = { connecting: 'Connecting…', live: 'Live', lost: 'Connection lost' }

function Lost({ connection: { nextTryAt, since } }: { connection: Extract<Connection, { phase: 'lost' }> }) {
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500)
    return () => clearInterval(timer)
  }, [])
  return (
    <>
      <span class="muted">
        {' '}
        for {formatSpan(Math.max(1000, now - since))};{' '}
        {nextTryAt > now ? `trying again in ${Math.ceil((nextTryAt - now) / 1000)} s` : 'trying now'}
      </span>{' '}
      <QuietButton onClick={() => stream.retry()}>Try now</QuietButton>
    </>
  )
}
