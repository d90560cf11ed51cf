/**
 * Keeps the targets of Kong's upstreams at what Consul says of their services.
 *
 *     Consul ──(blocking queries)──▶ watch ──▶ feed ──(guard)──▶ targets ──▶ Kong
 *
 * Kong's configuration names the upstreams: those with a tag `consul:SERVICE`. Nothing is kept but in memory; after a
 * restart Kong's own targets are the state, so one that starts while Consul is gone changes nothing.
 */
import { messageOf, SluiceError } from '../foundation/errors.ts'
import type { Health } from '../foundation/health.ts'
import type { Logger } from '../foundation/log.ts'
import type { Row } from '../kong/admin/client.ts'
import { isWithoutDatabase } from '../kong/reconcile/read.ts'
import type { MarkedUpstream } from './changes.ts'
import type { ConsulClient, ServiceQuery } from './consul/client.ts'
import type { WatchParts } from './consul/watch.ts'
import { Feed } from './feed.ts'
import { readMark } from './mark.ts'
import type { FeedMetrics } from './metrics.ts'
import { type TargetsParts, UpstreamTargets } from './upstream-targets.ts'

export interface DiscoveryParts extends WatchParts, TargetsParts {
  readonly consul: Pick<ConsulClient, 'passing'>
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>
  readonly metricsOf: (service: string) => FeedMetrics
  /** How often Kong's upstreams and targets are read again, milliseconds. */
  readonly readKongEveryMs: number
}

/** An upstream with what feeds it. */
export interface Marked {
  readonly upstream: MarkedUpstream
  readonly query: ServiceQuery
}

/**
 * The upstreams that are to be fed. Those whose tag can't be read are told to `onProblem`, and left alone.
 *
 * @throws SluiceError SLUICE_DISCOVERY_REFUSED for a Kong without a database, SLUICE_ADMIN_… when Kong can't be read.
 */
export async function readMarked(
  kong: DiscoveryParts['kong'],
  onProblem: (upstream: string, problem: string) => void,
): Promise<readonly Marked[]> {
  if (await isWithoutDatabase(kong))
    throw new SluiceError(
      'SLUICE_DISCOVERY_REFUSED',
      'this Kong has no database, so it takes no single targets',
    )
  const rows = (await kong.list('/upstreams')) ?? []
  return rows.flatMap((row: Row) => {
    const mark = readMark((row.tags as readonly string[] | null | undefined) ?? [])
    if (!mark) return []
    const upstream = { id: String(row.id), name: String(row.name) }
    if (!('problem' in mark)) return [{ upstream, query: mark }]
    onProblem(upstream.name, mark.problem)
    return []
  })
}

/** Follows Consul until it is closed. */
export class Discovery {
  readonly #parts: DiscoveryParts
  readonly #feeds = new Map<string, Feed>()
  readonly #stop = new AbortController()
  /** What was told, so that it is told once. */
  readonly #told = new Set<string>()
  #kongProblem: string | undefined
  #reading: Promise<void> = Promise.resolve()

  private constructor(parts: DiscoveryParts) {
    this.#parts = parts
  }

  /** @throws SluiceError as `readMarked` */
  static async start(parts: DiscoveryParts): Promise<Discovery> {
    const discovery = new Discovery(parts)
    await discovery.#read()
    if (discovery.#feeds.size === 0)
      parts.log.warn('no upstream of Kong has a tag consul:SERVICE; they are looked for again and again')
    discovery.#reading = discovery.#readAgain()
    return discovery
  }

  /** Ready when Consul has answered for each service; that it is gone later is a problem, not a blocker. */
  health(): Health {
    const feeds = [...this.#feeds.values()]
    const blockers = feeds
      .filter(feed => !feed.isKnown)
      .map(({ query }) => `${query.service}: Consul has not answered yet`)
    const problems = feeds.flatMap(feed => feed.problems)
    if (this.#kongProblem !== undefined) problems.push(this.#kongProblem)
    return { blockers, problems, warnings: [] }
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#reading
    await Promise.all([...this.#feeds.values()].map(feed => feed.close()))
  }

  async #readAgain(): Promise<void> {
    const { readKongEveryMs, random, wait, log } = this.#parts
    for (;;) {
      await wait(readKongEveryMs * (0.9 + random() / 5), this.#stop.signal)
      if (this.#stop.signal.aborted) return
      try {
        await this.#read()
        this.#kongProblem = undefined
        for (const feed of this.#feeds.values()) feed.refresh()
      } catch (error) {
        const reason = messageOf(error)
        if (this.#kongProblem !== reason) log.warn({ reason }, "Kong's upstreams can't be read; trying again")
        this.#kongProblem = reason
      }
    }
  }

  async #read(): Promise<void> {
    const marked = await readMarked(this.#parts.kong, (upstream, problem) =>
      this.#tellOnce(`upstream ${upstream} ${problem}`),
    )
    const wanted = new Map(marked.map(one => [keyOf(one), one]))
    for (const [key, feed] of this.#feeds)
      if (!wanted.has(key)) {
        this.#feeds.delete(key)
        await feed.close()
        this.#parts.log.info(
          { service: feed.query.service },
          'an upstream is not marked any more; its targets stay',
        )
      }
    for (const [key, { upstream, query }] of wanted)
      if (!this.#feeds.has(key)) this.#feeds.set(key, this.#feed(upstream, query))
  }

  #feed(upstream: MarkedUpstream, query: ServiceQuery): Feed {
    const targets = new UpstreamTargets(upstream, this.#parts)
    this.#parts.log.info({ upstream: upstream.name, service: query.service }, 'following a service')
    return new Feed(query, targets, { ...this.#parts, metrics: this.#parts.metricsOf(query.service) })
  }

  #tellOnce(problem: string): void {
    if (!this.#told.has(problem)) this.#parts.log.error({ problem }, 'an upstream is left alone')
    this.#told.add(problem)
  }
}

const keyOf = ({ upstream, query }: Marked): string => JSON.stringify([upstream, query])
