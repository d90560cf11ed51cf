import { createHash } from 'node:crypto'
import type { Row } from '../kong/admin/client.ts'
import type { Change } from '../kong/reconcile/change.ts'
import type { Instance } from './consul/instances.ts'

/** What discovery has made bears it, and nothing else is touched. */
export const DISCOVERY_TAG = 'sluice-discovery'

export interface MarkedUpstream {
  readonly id: string
  readonly name: string
}

/** A target of Kong. */
export interface TargetRow extends Row {
  readonly id: string
  readonly target: string
  readonly weight: number
}

export const isOwnTarget = ({ tags }: Row): boolean => Array.isArray(tags) && tags.includes(DISCOVERY_TAG)

/**
 * The changes that make an upstream hold the instances: new ones first, so that it is never short of targets.
 *
 * @param own its targets that discovery made
 * @param remove addresses that may go
 */
export function targetChanges(
  upstream: MarkedUpstream,
  own: readonly TargetRow[],
  instances: readonly Instance[],
  remove: readonly string[],
): readonly Change[] {
  const byAddress = new Map(own.map(row => [row.target, row]))
  const written = instances.flatMap(instance => {
    const row = byAddress.get(instance.address)
    if (!row) return [creation(upstream, instance)]
    return row.weight === instance.weight ? [] : [weighing(upstream, row, instance.weight)]
  })
  const deleted = remove.flatMap(address => {
    const row = byAddress.get(address)
    return row ? [deletion(upstream, row)] : []
  })
  return [...written, ...deleted]
}

const labelOf = (upstream: MarkedUpstream, address: string) =>
  `target ${address} of upstream ${upstream.name}`

function creation(upstream: MarkedUpstream, { address, weight }: Instance): Change {
  const fields = { target: address, weight, tags: [DISCOVERY_TAG], upstream: { id: upstream.id } }
  return {
    action: 'create',
    kind: 'targets',
    // The same for every process that discovers the same, so that several do not make it twice.
    id: stableId(`${upstream.id} ${address}`),
    label: labelOf(upstream, address),
    before: undefined,
    after: fields,
    fields: Object.keys(fields),
    body: fields,
    row: undefined,
  }
}

function weighing(upstream: MarkedUpstream, row: TargetRow, weight: number): Change {
  return {
    action: 'update',
    kind: 'targets',
    id: row.id,
    label: labelOf(upstream, row.target),
    before: row,
    after: { ...row, weight },
    fields: ['weight'],
    body: { weight },
    row,
  }
}

const deletion = (upstream: MarkedUpstream, row: TargetRow): Change => ({
  action: 'delete',
  kind: 'targets',
  id: row.id,
  label: labelOf(upstream, row.target),
  before: row,
  after: undefined,
  fields: [],
  body: {},
  row,
})

/** A UUID of version 8 (RFC 9562): a hash. */
function stableId(text: string): string {
  const hex = createHash('sha256').update(`sluice discovery ${text}`).digest('hex')
  const variant = ((Number.parseInt(hex[16]!, 16) & 3) | 8).toString(16)
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-')
}
