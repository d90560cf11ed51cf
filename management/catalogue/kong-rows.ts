import type { AdminClient } from '../../kong/admin/client.ts'
import type { KongRows } from './offer.ts'

/** Reads what Kong's configuration offers. @throws AdminUnreachable, AdminRefused */
export async function readKongRows(kong: AdminClient): Promise<KongRows> {
  const [services, routes, plugins] = await Promise.all(
    ['/services', '/routes', '/plugins'].map(async path => (await kong.list(path)) ?? []),
  )
  return { services: services ?? [], routes: routes ?? [], plugins: plugins ?? [] }
}
