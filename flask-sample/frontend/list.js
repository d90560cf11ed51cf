/** Asks for the first page of products every 3 s while it is seen; `?every=SECONDS` for another pace. */
import { Trouble } from './api.js'
import { SessionEnded, session } from './session.js'
import { showLive, showProducts, showTroubled, stopCountdown, tell } from './view.js'

export const POLL_MS = Number(new URLSearchParams(location.search).get('every')) * 1_000 || 3_000
const LONGEST_PAUSE_MS = 5 * POLL_MS
const PAGE = 20

const idsOf = products => new Set(products.map(({ id }) => id))

export const list = {
  products: [],
  /** Pages that were asked for by "Show more" stay as they are; only the first one is live. */
  older: [],
  /** Cursor of the page behind those that are shown; null where there is none. */
  next: null,
  timer: undefined,
  failures: 0,
  /** Rises with each start and stop: an answer to a question of an earlier round comes too late. */
  round: 0,
  isAsking: false,
  /** When the service last answered; undefined before its first answer. */
  answeredAt: undefined,

  get all() {
    return [...this.products, ...this.older]
  },

  start() {
    this.stop()
    this.failures = 0
    this.products = []
    this.older = []
    this.next = null
    this.answeredAt = undefined
    this.show()
    void this.ask()
  },

  stop() {
    this.round++
    this.isAsking = false
    this.clearTimers()
  },

  clearTimers() {
    clearTimeout(this.timer)
    stopCountdown()
  },

  async ask() {
    if (this.isAsking) return
    this.isAsking = true
    this.clearTimers()
    const { round } = this
    const outcome = await session.call(`/products?limit=${PAGE}`).catch(error => error)
    if (round !== this.round) return
    this.isAsking = false
    if (!(outcome instanceof Error)) this.succeed(outcome)
    else if (!(outcome instanceof Trouble)) throw outcome
    else if (!(outcome instanceof SessionEnded)) this.fail(outcome)
  },

  succeed(page) {
    this.failures = 0
    this.answeredAt = new Date()
    this.take(page)
    showLive()
    this.later(POLL_MS)
  },

  fail(trouble) {
    this.failures++
    const pauseMs = trouble.retryAfterMs ?? Math.min(POLL_MS * 2 ** (this.failures - 1), LONGEST_PAUSE_MS)
    showTroubled(trouble, pauseMs, this.answeredAt)
    this.show()
    this.later(pauseMs)
  },

  later(ms) {
    clearTimeout(this.timer)
    // Nobody looks at a hidden tab; it asks as soon as it is shown.
    this.timer = setTimeout(() => document.visibilityState === 'visible' && this.ask(), ms)
  },

  take({ data, next }) {
    const before = new Map(this.products.map(product => [product.id, product.version]))
    const fresh = idsOf(data.filter(({ id, version }) => before.get(id) !== version))
    const shown = idsOf(data)
    // What has moved from the first page to behind it stays in sight.
    if (this.older.length > 0) {
      const moved = this.products.filter(
        ({ id, created_at }) => !shown.has(id) && created_at < data.at(-1)?.created_at,
      )
      this.older = [...moved, ...this.older.filter(({ id }) => !shown.has(id))]
    } else this.next = next
    this.products = data
    const isFirst = before.size === 0
    this.show(isFirst ? undefined : fresh)
    if (!isFirst && fresh.size > 0)
      tell(
        fresh.size === 1
          ? 'One product is new or has changed.'
          : `${fresh.size} products are new or have changed.`,
      )
  },

  /** A product of one's own, as it was made. */
  add(product) {
    const others = this.products.filter(({ id }) => id !== product.id)
    this.take({ data: [product, ...others], next: this.next })
    tell(`${product.name} was added.`)
  },

  async more() {
    try {
      const { data, next } = await session.call(`/products?limit=${PAGE}&cursor=${this.next}`)
      const shown = idsOf(this.all)
      this.older.push(...data.filter(({ id }) => !shown.has(id)))
      this.next = next
      this.show()
    } catch (error) {
      if (!(error instanceof Trouble)) throw error
      if (!(error instanceof SessionEnded)) showTroubled(error, POLL_MS, this.answeredAt)
    }
  },

  /** @throws Trouble */
  async remove({ id, name }) {
    await session.call(`/products/${id}`, { method: 'DELETE' })
    this.products = this.products.filter(product => product.id !== id)
    this.older = this.older.filter(product => product.id !== id)
    this.show()
    tell(`${name} was deleted.`)
  },

  show(fresh) {
    showProducts(this.all, {
      fresh,
      owner: session.user?.id,
      isEmpty: this.products.length + this.older.length === 0 && this.failures === 0 && !!this.answeredAt,
      hasMore: this.next !== null,
    })
  },
}
