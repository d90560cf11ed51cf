/** What operators do with the cache: `sluice cache`. */
import { messageOf, SluiceError, type Store } from '../../sdk/sdk.ts'
import { CHANNEL, toMessage } from './channel.ts'
import { NODES_KEY, type NodeCounts, nodesScript } from './nodes.ts'
import { ORDERS_KEY, type Purge, type PurgeOrder, purgesScript } from './purge.ts'
import { isAnswerKey, KEY_PREFIX } from './shared-level.ts'

/**
 * Makes stored answers invalid on all nodes.
 *
 * @throws SluiceError SLUICE_CLI_USAGE, with the field in its details, for an order that means nothing; SLUICE_STORE_* where Redis has not taken it.
 */
export async function purge(store: Store, wanted: Purge): Promise<PurgeOrder> {
  check(wanted)
  const order = wanted.host === undefined ? wanted : { ...wanted, host: wanted.host.toLowerCase() }
  const { sequence } = await store.run(purgesScript, ORDERS_KEY, [JSON.stringify(order)])
  const numbered = { ...order, sequence }
  try {
    await store.publish(CHANNEL, toMessage({ type: 'purge', order: numbered }))
  } catch (error) {
    throw new SluiceError(
      'SLUICE_STORE_UNAVAILABLE',
      `the purge is stored, but could not be pushed to the nodes immediately: ${messageOf(error)}`,
      { cause: error },
    )
  }
  return numbered
}

function check({ kind, value, host }: Purge): void {
  const refuse = (field: 'value' | 'host', reason: string): never => {
    throw new SluiceError('SLUICE_CLI_USAGE', reason, { details: { field } })
  }
  if ((kind === 'key' || kind === 'prefix') && !value.startsWith('/'))
    refuse(
      'value',
      `a ${kind === 'key' ? 'key is' : 'prefix begins with'} a path: /products, not ${JSON.stringify(value)}`,
    )
  if (kind === 'all' && value !== '') refuse('value', 'everything is purged: there is no value')
  if (kind === 'tag' && !/^[^\s,]+$/.test(value)) refuse('value', 'a tag has no spaces and no commas')
  if (host !== undefined && !/^[^\s/]+$/.test(host))
    refuse('host', 'a host is what the Host header holds: shop.example')
}

export interface CacheStats {
  /** Answers in Redis. */
  readonly stored: number
  /** Orders to purge that are remembered. */
  readonly purges: number
  readonly nodes: readonly NodeCounts[]
}

/** Walks over all keys: for an operator, never for a request. */
export async function readStats(store: Store): Promise<CacheStats> {
  let stored = 0
  for await (const key of store.keys(KEY_PREFIX)) if (isAnswerKey(key)) stored++
  const { orders } = await store.run(purgesScript, ORDERS_KEY, [])
  const nodes = await store.run(nodesScript, NODES_KEY, { id: '' })
  return { stored, purges: orders.length, nodes }
}
