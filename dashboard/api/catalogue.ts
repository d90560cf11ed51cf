import type { List } from './list.ts'
import { client } from './session.ts'

/** One API of the catalogue. */
export interface Api {
  readonly name: string
  readonly title: string
  readonly deprecated: boolean
  readonly sunset: string | null
  readonly routes: readonly {
    readonly paths: readonly string[]
    readonly hosts: readonly string[]
    readonly methods: readonly string[]
    readonly auth: readonly string[]
    readonly limits: readonly {
      readonly tier?: string
      readonly requests: number
      readonly seconds: number
    }[]
  }[]
  readonly document: { readonly operations: number; readonly problem: string | null } | null
  readonly document_problem: string | null
}

export const listApis = async (): Promise<readonly Api[]> =>
  (await client.get<List<Api>>('/v1/catalogue')).data
