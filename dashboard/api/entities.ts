import type { EntitySchema, Json } from '../model/schema.ts'
import { client } from './session.ts'

export interface Page {
  readonly data: readonly Json[]
  /** Path of the next page. */
  readonly next: string | null
  readonly total?: number
}

export interface Versioned {
  readonly row: Json
  readonly etag: string
}

/** @param query empty values are left out */
export function listEntities(
  path: string,
  query: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<Page> {
  const filled = Object.entries(query).filter(([, value]) => value !== '')
  return client.get<Page>(`/v1/${path}?${new URLSearchParams(filled)}`, signal)
}

export const nextPage = (path: string, signal?: AbortSignal): Promise<Page> => client.get<Page>(path, signal)

export async function readEntity(path: string, key: string): Promise<Versioned> {
  const { body, headers } = await client.ask<Json>('GET', `/v1/${path}/${encodeURIComponent(key)}`)
  return { row: body, etag: headers.get('etag') ?? '' }
}

const schemas = new Map<string, Promise<EntitySchema>>()

/** Schemas are asked for once; a page that is loaded anew asks again. */
function schemaAt(path: string): Promise<EntitySchema> {
  const known = schemas.get(path)
  if (known) return known
  const asked = client.get<EntitySchema>(path)
  schemas.set(path, asked)
  asked.catch(() => schemas.delete(path))
  return asked
}

export const schemaOf = (kind: string): Promise<EntitySchema> => schemaAt(`/v1/schemas/${kind}`)

export const pluginSchema = (name: string): Promise<EntitySchema> =>
  schemaAt(`/v1/schemas/plugins/${encodeURIComponent(name)}`)

/** The plugins that the gateway offers. */
export const pluginNames = async (): Promise<readonly string[]> => {
  const { plugins } = await client.get<{ plugins: readonly string[] }>('/v1/schemas')
  return plugins
}

/** How long the name of another entity is good. */
const KNOWN_MS = 30_000

const labels = new Map<string, Promise<Json>>()

/** An entity that is only named here; kept for a while. */
export function readBriefly(path: string, id: string): Promise<Json> {
  const key = `${path}/${id}`
  const known = labels.get(key)
  if (known) return known
  const asked = readEntity(path, id).then(({ row }) => row)
  labels.set(key, asked)
  const forgetLater = () => void setTimeout(() => labels.delete(key), KNOWN_MS)
  asked.then(forgetLater, forgetLater)
  return asked
}
