import { messageOf, SluiceError } from '../foundation/errors.ts'
import { type DiscoveryParts, type Marked, readMarked } from './discovery.ts'
import { UpstreamTargets } from './upstream-targets.ts'

/** What one pass did to an upstream. */
export interface UpstreamReport {
  readonly upstream: string
  readonly service: string
  /** Passing instances. */
  readonly instances: readonly string[]
  readonly created: readonly string[]
  readonly updated: readonly string[]
  readonly deleted: readonly string[]
  /** Not passing, but kept: more than half of the upstream would have gone at once. */
  readonly held: readonly string[]
  readonly problem?: { readonly code: string; readonly message: string }
}

/**
 * Asks Consul once, and makes Kong's targets follow. A problem of one upstream does not keep the others from it.
 *
 * @throws SluiceError as `readMarked`
 */
export async function discoverOnce(
  parts: Pick<DiscoveryParts, 'kong' | 'consul' | 'limits' | 'monotonic'>,
): Promise<readonly UpstreamReport[]> {
  const unreadable: UpstreamReport[] = []
  const marked = await readMarked(parts.kong, (upstream, message) =>
    unreadable.push({ ...EMPTY, upstream, service: '', problem: { code: 'SLUICE_DISCOVERY_MARK', message } }),
  )
  const reports = await Promise.all(marked.map(one => discoverUpstream(one, parts)))
  return [...unreadable, ...reports]
}

const EMPTY = { instances: [], created: [], updated: [], deleted: [], held: [] }

async function discoverUpstream(
  { upstream, query }: Marked,
  parts: Parameters<typeof discoverOnce>[0],
): Promise<UpstreamReport> {
  const names = { upstream: upstream.name, service: query.service }
  try {
    const { instances } = await parts.consul.passing(query, { index: 0, waitMs: 0 })
    const { changes, held } = await new UpstreamTargets(upstream, parts).apply(instances)
    const addresses = (wanted: string) =>
      changes
        .filter(({ action }) => action === wanted)
        .map(({ body, row }) => String(row?.target ?? body.target))
    return {
      ...names,
      instances: instances.map(({ address }) => address),
      created: addresses('create'),
      updated: addresses('update'),
      deleted: addresses('delete'),
      held,
    }
  } catch (error) {
    const code = error instanceof SluiceError ? error.code : 'SLUICE_CONSUL_REFUSED'
    return { ...EMPTY, ...names, problem: { code, message: messageOf(error) } }
  }
}
