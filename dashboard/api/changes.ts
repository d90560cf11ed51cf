import type { Json } from '../model/schema.ts'
import { type Answer, ApiProblem } from './client.ts'
import { client } from './session.ts'

export interface FieldChange {
  readonly field: string
  readonly before: unknown
  readonly after: unknown
}

export interface Step {
  readonly seq: number
  readonly action: string
  readonly kind: string
  readonly id: string
  readonly label: string
  /** begun, done, undone, … */
  readonly state?: string
  readonly changes?: readonly FieldChange[]
  readonly before?: Json | null
  readonly after?: Json | null
  /** Why it could not be undone later. */
  readonly irreversible?: string
}

export interface Plan {
  readonly steps: readonly Step[]
  /** How many steps cannot be undone. */
  readonly irreversible: number
}

export interface Change {
  readonly id: string
  readonly state: string
  readonly actor: string
  readonly reason: string | null
  readonly origin?: string
  readonly undo_of?: string | null
  readonly undone_by?: string | null
  readonly created_at: string
  readonly begun_at?: string | null
  readonly ended_at?: string | null
  readonly attempts?: number
  readonly next_attempt_at?: string | null
  readonly failure?: { readonly detail: string; readonly remedy?: string }
  readonly resolution?: { readonly actor: string; readonly reason: string; readonly at: string }
  readonly steps?: readonly Step[]
  /** Of a list: what the first entities are called that it touches. */
  readonly entities?: readonly string[]
  /** What could not be put back, and why. */
  readonly stuck?: readonly {
    readonly kind: string
    readonly id: string
    readonly label: string
    readonly reason: string
  }[]
  /** How many changes come before it. */
  readonly position?: number
}

const ENDED: ReadonlySet<string> = new Set(['refused', 'applied', 'undone', 'stuck'])

export const isEnded = ({ state }: Pick<Change, 'state'>): boolean => ENDED.has(state)

/** The request that makes a change; pointers of faults lead into its body. */
export interface Draft {
  readonly method: string
  readonly path: string
  readonly body?: unknown
  /** The ETag of what it changes. */
  readonly ifMatch?: string
  /** It makes one entity, whose answer tells what Kong made up. */
  readonly isMaking?: boolean
  /** What it does, where the manager offers no plan of it. */
  readonly plan?: Plan
}

/** What a change would do. @throws ApiProblem with all faults. */
export async function planChange({ method, path, body, ifMatch, plan: known }: Draft): Promise<Plan> {
  if (known) return known
  const { body: plan } = await client.ask<Plan>(method, `${path}?dry_run=1`, {
    ...(body !== undefined && { body }),
    ...(ifMatch !== undefined && { headers: { 'if-match': ifMatch } }),
  })
  return plan
}

export interface Submitting {
  readonly reason: string
  readonly acceptsIrreversible: boolean
  /** A repetition with the same key makes no second change. */
  readonly key: string
  readonly onProgress: (change: Change) => void
}

export interface Ended {
  readonly change: Change
  /** The entity that was made, with the secrets that Kong made up: they are told this once. */
  readonly made?: Json
}

/** Makes a change and follows it to its end. @throws ApiProblem where it was refused. */
export async function submitChange(draft: Draft, submitting: Submitting): Promise<Ended> {
  const { method, path, body, ifMatch, isMaking = false } = draft
  const { reason, acceptsIrreversible, key } = submitting
  const answer = await client.ask<Json>(
    method,
    `${path}${acceptsIrreversible ? '?irreversible=accept' : ''}`,
    {
      ...(body !== undefined && { body }),
      headers: {
        // Only a request that waits is told what Kong made up.
        ...(!isMaking && { prefer: 'respond-async' }),
        'idempotency-key': key,
        ...(reason !== '' && { 'sluice-reason': reason }),
        ...(ifMatch !== undefined && { 'if-match': ifMatch }),
      },
    },
  )
  const change = await follow(changeIdOf(answer), submitting.onProgress)
  return isMaking && answer.status === 201 ? { change, made: answer.body } : { change }
}

function changeIdOf({ headers, body }: Answer<unknown>): string {
  const id = headers.get('sluice-change') ?? (body as { id?: string }).id
  if (id === undefined) throw new ApiProblem(0, { detail: 'the answer names no change' })
  return id
}

const FIRST_LOOK_MS = 80
const LOOK_EVERY_MS = 400

export async function follow(id: string, onProgress: (change: Change) => void): Promise<Change> {
  for (let waitMs = FIRST_LOOK_MS; ; waitMs = Math.min(LOOK_EVERY_MS, waitMs * 1.5)) {
    const change = await readChange(id).catch(error => {
      // The change goes on without us.
      if (error instanceof ApiProblem && (error.status === 0 || error.status >= 500)) return undefined
      throw error
    })
    if (change) onProgress(change)
    if (change && isEnded(change)) return change
    await new Promise(resolve => setTimeout(resolve, waitMs))
  }
}

export const readChange = (id: string): Promise<Change> => client.get<Change>(`/v1/changes/${id}`)

interface ChangePage {
  readonly data: readonly Change[]
  readonly next: string | null
}

export const listChanges = (query: Readonly<Record<string, string>>): Promise<ChangePage> => {
  const filled = Object.entries(query).filter(([, value]) => value !== '')
  return client.get<ChangePage>(`/v1/changes?${new URLSearchParams(filled)}`)
}

export const moreChanges = (path: string): Promise<ChangePage> => client.get<ChangePage>(path)

/** Makes the change that takes another one back. */
export async function undoChange(id: string, onProgress: (change: Change) => void): Promise<Change> {
  const answer = await client.ask('POST', `/v1/changes/${id}/undo`, {
    body: {},
    headers: { prefer: 'respond-async', 'idempotency-key': `undo-${id}-${Date.now()}` },
  })
  return follow(changeIdOf(answer), onProgress)
}

export const retryChange = (id: string, reason: string): Promise<unknown> =>
  client.ask('POST', `/v1/changes/${id}/retry`, { body: { reason } })

export const resolveChange = (id: string, reason: string): Promise<unknown> =>
  client.ask('POST', `/v1/changes/${id}/resolve`, { body: { reason } })
