import type { Row } from '../../kong/reconcile/change.ts'

/** Tag of the targets that discovery keeps: they come and go, and that is no news. */
const DISCOVERY_TAG = 'sluice-discovery'

export const isOfDiscovery = (row: Row | undefined): boolean =>
  Array.isArray(row?.tags) && row.tags.includes(DISCOVERY_TAG)
