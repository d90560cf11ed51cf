import type { Json } from '../model/schema.ts'
import { client } from './session.ts'

export interface Drift {
  readonly id: string
  /** Path of its kind. */
  readonly kind: string
  /** What it is called: `service users`. */
  readonly label: string
  readonly action: 'created' | 'updated' | 'deleted'
  /** Which of them were changed. */
  readonly fields: readonly string[]
  readonly found_at: string
  /** It is being taken over. */
  readonly accepted_at: string | null
  readonly before?: Json | null
  readonly after?: Json | null
}

export interface DriftPage {
  /** `adopt`: what differs is taken over by itself; `report`: it waits here. */
  readonly mode: string
  readonly data: readonly Drift[]
}

export const listDrift = (): Promise<DriftPage> => client.get<DriftPage>('/v1/drift')

export const acceptDrift = ({ kind, id }: Drift) => client.ask('POST', `/v1/drift/${kind}/${id}/accept`)
