import type { AdminClient } from '../../kong/admin/client.ts'
import type { Module } from '../module.ts'
import { readKongRows } from './kong-rows.ts'
import { type ApiList, listApis } from './list.ts'
import { readOffer } from './offer.ts'

/** The list of active APIs, for whoever may look at the manager. */
export const catalogueRoute: Module = (app, { catalogue, kong, clock }) => {
  app.get(
    '/v1/catalogue',
    {
      config: { access: 'viewer' },
      schema: { tags: ['catalogue'], summary: 'The APIs that the gateway offers, with what protects them' },
    },
    async () => catalogue() ?? listNow(kong, clock.now()),
  )
}

/** Without the services' own documents, which are fetched through Kong's proxy: SLUICE_PROXY_URL. */
async function listNow(kong: AdminClient, nowMs: number): Promise<ApiList> {
  const offer = readOffer(await readKongRows(kong))
  const data = listApis({ offer, sources: [], dropped: [], problemOf: () => undefined })
  return { as_of: new Date(nowMs).toISOString(), problem: null, data }
}
