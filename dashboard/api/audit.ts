import type { Json } from '../model/schema.ts'
import { client } from './session.ts'

/** One request, as the audit keeps it. */
export type AuditRecord = Json & { readonly id: string; readonly time: string }

interface AuditPage {
  readonly data: readonly AuditRecord[]
  /** Cursor of the next page. */
  readonly next: string | null
}

/** @param query the questions of `/v1/audit` */
export const searchAudit = (query: URLSearchParams, signal?: AbortSignal): Promise<AuditPage> =>
  client.get<AuditPage>(`/v1/audit?${query}`, signal)

/** Under which fingerprints the audit knows a key. It goes in a body, so that no log of addresses holds it. */
export async function fingerprintsOf(key: string): Promise<readonly string[]> {
  const { body } = await client.ask<Fingerprints>('POST', '/v1/audit/key', { body: { key } })
  return body.fingerprints.map(({ fingerprint }) => fingerprint)
}

interface Fingerprints {
  readonly fingerprints: readonly { readonly fingerprint: string }[]
}
