import { formatTarget } from '../../kong/entities/target.ts'

/** An instance of a service that takes requests. */
export interface Instance {
  /** `host:port`, in the form in which Kong keeps targets. */
  readonly address: string
  /** Kong's weight, 0 to 65,535. */
  readonly weight: number
}

/** The part of Consul's answer that counts. */
interface Entry {
  readonly Node: { readonly Address: string }
  readonly Service: {
    readonly Address?: string
    readonly Port?: number
    readonly Weights?: { readonly Passing?: number } | null
  }
}

/** Kong's default, for Consul's default of 1. */
const UNIT = 100
const MOST = 65_535

/**
 * Reads `/v1/health/service`. An instance without a port, or at a host that Kong does not take, is left out;
 * of two with the same address the first counts.
 */
export function readInstances(entries: readonly Entry[]): readonly Instance[] {
  const raw = new Map<string, number>()
  for (const { Node, Service } of entries) {
    if (!Service.Port) continue
    const host = Service.Address || Node.Address
    const address = formatTarget(`${host.includes(':') ? `[${host}]` : host}:${Service.Port}`)
    if (address !== undefined && !raw.has(address)) raw.set(address, Service.Weights?.Passing ?? 1)
  }
  // Where the largest would not fit, all shrink, so that their ratios stay.
  const unit = Math.min(UNIT, MOST / Math.max(1, ...raw.values()))
  return [...raw].map(([address, passing]) => ({
    address,
    weight: passing === 0 ? 0 : Math.max(1, Math.round(passing * unit)),
  }))
}
