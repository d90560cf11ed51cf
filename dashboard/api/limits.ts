import type { List } from './list.ts'
import { client } from './session.ts'

export interface Standing {
  readonly key: string
  /** Where in Kong it is counted. */
  readonly scope: string | null
  readonly subject: string | null
  readonly limits: readonly {
    readonly name: string
    readonly requests: number
    readonly per_seconds: number
    readonly used: number
    readonly left: number
    readonly reset_seconds: number
  }[]
  readonly changes: readonly {
    readonly limit: string
    readonly requests: number
    readonly burst: number
    readonly until: string
  }[]
}

export const readLimits = async (query: Readonly<Record<string, string>>): Promise<readonly Standing[]> =>
  (await client.get<List<Standing>>(`/v1/limits?${new URLSearchParams(query)}`)).data

export type LimitWish =
  | { readonly verb: 'reset'; readonly limit?: string }
  | { readonly verb: 'set'; readonly limit: string; readonly requests: number; readonly seconds: number }
  | { readonly verb: 'unset'; readonly limit: string }

export const changeLimits = (
  subject: Readonly<Record<string, string>>,
  { verb, ...wish }: LimitWish,
  reason: string,
) => client.ask('POST', `/v1/limits/${verb}`, { body: { ...subject, ...wish, reason } })
