import type { ComponentChildren } from 'preact'
import { ApiProblem } from '../api/client.ts'

export type Tone = 'good' | 'bad' | 'warning' | 'plain'

interface NoticeProps {
  readonly tone: Tone
  readonly class?: string
  readonly children: ComponentChildren
}

export function Notice({ tone, class: extra = '', children }: NoticeProps) {
  return (
    <div class={`notice ${tone} ${extra}`} role={tone === 'bad' ? 'alert' : 'status'}>
      {children}
    </div>
  )
}

/** What went wrong, and what to do about it. */
export function Trouble({
  error,
  onRetry,
}: {
  error: Error | undefined
  onRetry?: (() => void) | undefined
}) {
  if (!error) return null
  const { remedy = '', faults = [] } = error instanceof ApiProblem ? error : {}
  return (
    <Notice tone="bad">
      <p>
        <strong>{error.message}</strong>
        {remedy !== '' && ` ${remedy}`}
      </p>
      {faults.length > 1 && (
        <ul>
          {faults.map(({ pointer, detail }) => (
            <li key={pointer + detail}>{detail}</li>
          ))}
        </ul>
      )}
      {onRetry && (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </Notice>
  )
}

export const Empty = ({ children }: { children: ComponentChildren }) => <p class="empty">{children}</p>

/** What a cell holds that holds nothing. */
export const None = () => <span class="muted none">–</span>

/** A state as a word, with a colour that only repeats it. */
export const Badge = ({ tone, children }: { tone: Tone; children: ComponentChildren }) => (
  <span class={`badge ${tone}`}>{children}</span>
)
