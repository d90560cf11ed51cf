/**
 * The sample shop: logs in at the users service and shows the products service's list, live, all through the gateway
 * that serves this page. Nothing is loaded from elsewhere.
 *
 *   api        one request; whatever goes wrong becomes a Trouble that says which part of the platform it was
 *   session    the refresh token in localStorage (one for all tabs, spent under a lock), the access token in the tab's
 *              own sessionStorage, so that a reload spends nothing
 *   list       asks for the first page every 3 s while it is seen; `?every=SECONDS` for another pace
 *   forms      show the service's own words beside the field that they are about
 */

const POLL_MS = Number(new URLSearchParams(location.search).get('every')) * 1_000 || 3_000
const LONGEST_PAUSE_MS = 5 * POLL_MS
const PAGE = 20
const REQUEST_MS = 10_000

const $ = id => document.getElementById(id)

// --- api -------------------------------------------------------------------------------------------------------

/** What went wrong, in words for people. */
class Trouble extends Error {
  constructor(message, { status, errors = [], retryAfterMs } = {}) {
    super(message)
    this.status = status
    /** Of the service: `{pointer, detail}` each. */
    this.errors = errors
    this.retryAfterMs = retryAfterMs
  }
}

const serviceOf = path => path.split(/[/?]/)[1]

async function request(path, { method = 'GET', body, token } = {}) {
  let answer
  try {
    answer = await fetch(path, {
      method,
      headers: {
        accept: 'application/json',
        ...(body && { 'content-type': 'application/json' }),
        ...(token && { authorization: `Bearer ${token}` }),
      },
      // Asked with the ETag of the copy at hand, which comes back when nothing has changed.
      cache: 'no-cache',
      signal: AbortSignal.timeout(REQUEST_MS),
      ...(body && { body: JSON.stringify(body) }),
    })
  } catch (error) {
    const late = error.name === 'TimeoutError'
    throw new Trouble(
      late
        ? `The gateway has not answered within ${REQUEST_MS / 1_000} seconds.`
        : 'The gateway does not answer. Is it running, and are you online?',
    )
  }
  const text = await answer.text()
  const content = parse(text)
  if (answer.ok) return content
  throw new Trouble(describe(path, answer, content), {
    status: answer.status,
    errors: content?.errors,
    retryAfterMs: Number(answer.headers.get('retry-after')) * 1_000 || undefined,
  })
}

function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Problem details are the service's own words; `message` are the gateway's. */
function describe(path, { status, headers }, content) {
  const service = serviceOf(path)
  if (status === 429) {
    const seconds = headers.get('retry-after')
    return `Too many requests: the gateway asks to wait${seconds ? ` ${seconds} seconds` : ''}.`
  }
  if (content?.detail) return status < 500 ? content.detail : `The ${service} service says: ${content.detail}`
  const words = content?.message ? ` (${status}: ${content.message})` : ` (${status})`
  if (status === 404) return `The gateway has no route to the ${service} service${words}.`
  if (status >= 500) return `The ${service} service is not available${words}.`
  return `The gateway refuses the request${words}.`
}

// --- session ---------------------------------------------------------------------------------------------------

const STORED = 'sluice-sample-refresh-token'
const STORED_ACCESS = 'sluice-sample-access-token'

const session = {
  /** `{token, expiresAtMs}`, by this machine's clock. */
  access: undefined,
  user: undefined,

  get isRemembered() {
    return localStorage.getItem(STORED) !== null
  },

  async logIn(email, password) {
    this.keep(await request('/users/login', { method: 'POST', body: { email, password } }))
    await this.identify()
  },

  /** An answer with a new refresh token that a reload cuts off would be lost, and with it the session. */
  async resume() {
    this.access = parse(sessionStorage.getItem(STORED_ACCESS))
    await this.identify()
  },

  async identify() {
    this.user = await this.call('/users/me')
  },

  keep({ access_token, expires_in, refresh_token }) {
    this.access = { token: access_token, expiresAtMs: Date.now() + expires_in * 1_000 }
    sessionStorage.setItem(STORED_ACCESS, JSON.stringify(this.access))
    localStorage.setItem(STORED, refresh_token)
  },

  forget() {
    this.access = this.user = undefined
    sessionStorage.removeItem(STORED_ACCESS)
    localStorage.removeItem(STORED)
  },

  /** A refresh token is good once, so tabs take turns; each reads what the one before has left. */
  refresh() {
    const spend = async () => {
      const refresh_token = localStorage.getItem(STORED)
      if (refresh_token === null) throw new Trouble('You have been logged out. Log in again.', { status: 401 })
      try {
        this.keep(await request('/users/refresh', { method: 'POST', body: { refresh_token } }))
      } catch (error) {
        if (error.status !== 401) throw error
        this.forget()
        throw new Trouble('Your session has ended. Log in again.', { status: 401 })
      }
    }
    return navigator.locks ? navigator.locks.request(STORED, spend) : spend()
  },

  /** A request with the access token, which is renewed when it is about to expire or is refused. */
  async call(path, options) {
    if (!(Date.now() < this.access?.expiresAtMs - 30_000)) await this.refresh()
    try {
      return await request(path, { ...options, token: this.access.token })
    } catch (error) {
      if (error.status !== 401) throw error
      await this.refresh()
      return request(path, { ...options, token: this.access.token })
    }
  },

  async logOut() {
    const refresh_token = localStorage.getItem(STORED)
    this.forget()
    if (refresh_token !== null)
      // Gone here in any case; the service forgets it by itself when it expires.
      await request('/users/logout', { method: 'POST', body: { refresh_token } }).catch(() => {})
  },
}

// --- forms -----------------------------------------------------------------------------------------------------

function showNotice(element, text) {
  element.textContent = text
  element.hidden = text === ''
}

function clearErrors(form) {
  for (const field of form.querySelectorAll('.field')) setError(field, '')
}

function setError(field, text) {
  const input = field.querySelector('input')
  if (text === '') input.removeAttribute('aria-invalid')
  else input.setAttribute('aria-invalid', 'true')
  showNotice(field.querySelector('.error'), text)
}

/** Puts each error beside its field, and the rest into the notice. */
function showTrouble(form, notice, trouble) {
  const rest = []
  for (const { pointer = '', detail } of trouble.errors) {
    const field = form.querySelector(`.field[data-field="${CSS.escape(pointer.slice(1))}"]:not([hidden])`)
    if (field) setError(field, detail)
    else rest.push(detail)
  }
  showNotice(notice, trouble.errors.length === 0 ? trouble.message : rest.join(' '))
  form.querySelector('[aria-invalid="true"]')?.focus()
}

/** Runs the work of a form; a second submit while it runs does nothing. */
function onSubmit(form, notice, work) {
  const button = form.querySelector('[type="submit"]')
  form.addEventListener('submit', async event => {
    event.preventDefault()
    if (button.getAttribute('aria-disabled') === 'true') return
    button.setAttribute('aria-disabled', 'true')
    clearErrors(form)
    showNotice(notice, '')
    try {
      await work(Object.fromEntries(new FormData(form)))
    } catch (error) {
      if (!(error instanceof Trouble)) throw error
      if (error.status === 401 && session.user && !session.isRemembered) leave(error.message)
      else showTrouble(form, notice, error)
    } finally {
      button.removeAttribute('aria-disabled')
    }
  })
}

// --- list ------------------------------------------------------------------------------------------------------

const list = {
  products: [],
  next: null,
  timer: undefined,
  countdown: undefined,
  failures: 0,
  /** Rises with each start and stop: an answer to a question of an earlier round comes too late. */
  round: 0,
  isAsking: false,
  /** Pages that were asked for by "Show more" stay as they are; only the first one is live. */
  older: [],
  hasAnswered: false,
  answeredAt: '',

  start() {
    this.stop()
    this.failures = 0
    this.products = []
    this.older = []
    this.next = null
    this.hasAnswered = false
    render()
    void this.ask()
  },

  stop() {
    this.round++
    this.isAsking = false
    this.clearTimers()
  },

  clearTimers() {
    clearTimeout(this.timer)
    clearInterval(this.countdown)
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
    else if (outcome instanceof Trouble) this.fail(outcome)
    else throw outcome
  },

  succeed(page) {
    this.failures = 0
    this.take(page)
    showNotTroubled()
    this.later(POLL_MS)
  },

  fail(trouble) {
    if (trouble.status === 401 && !session.isRemembered) return leave(trouble.message)
    this.failures++
    const pauseMs = trouble.retryAfterMs ?? Math.min(POLL_MS * 2 ** (this.failures - 1), LONGEST_PAUSE_MS)
    showTroubled(trouble, pauseMs)
    this.later(pauseMs)
  },

  later(ms) {
    clearTimeout(this.timer)
    // Nobody looks at a hidden tab; it asks as soon as it is shown.
    this.timer = setTimeout(() => document.visibilityState === 'visible' && this.ask(), ms)
  },

  take({ data, next }) {
    const before = new Map(this.products.map(product => [product.id, product.version]))
    const isFirst = this.products.length === 0
    const fresh = new Set(
      data.filter(({ id, version }) => before.get(id) !== version).map(({ id }) => id),
    )
    const shown = new Set(data.map(({ id }) => id))
    // What has moved from the first page to behind it stays in sight.
    if (this.older.length > 0) {
      const moved = this.products.filter(({ id, created_at }) => !shown.has(id) && created_at < data.at(-1)?.created_at)
      this.older = [...moved, ...this.older.filter(({ id }) => !shown.has(id))]
    } else this.next = next
    this.products = data
    render(isFirst ? new Set() : fresh)
    if (!isFirst && fresh.size > 0)
      $('news').textContent = fresh.size === 1 ? 'One product is new or has changed.' : `${fresh.size} products are new or have changed.`
  },

  async more() {
    const { data, next } = await session.call(`/products?limit=${PAGE}&cursor=${this.next}`)
    const shown = new Set([...this.products, ...this.older].map(({ id }) => id))
    this.older.push(...data.filter(({ id }) => !shown.has(id)))
    this.next = next
    render()
  },

  remove(id) {
    this.products = this.products.filter(product => product.id !== id)
    this.older = this.older.filter(product => product.id !== id)
    render()
  },
}

const money = new Intl.NumberFormat(undefined, { style: 'currency', currency: 'EUR' })
const inCurrency = (cents, currency) =>
  currency === 'EUR' ? money.format(cents / 100) : `${(cents / 100).toFixed(2)} ${currency}`
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' })

/** Elements are kept by their product, so that the focus stays where it is. */
const rows = new Map()

function render(fresh = new Set()) {
  const products = [...list.products, ...list.older]
  const ids = new Set(products.map(({ id }) => id))
  for (const [id, row] of rows)
    if (!ids.has(id)) {
      if (row.contains(document.activeElement)) $('shop-title').focus()
      row.remove()
      rows.delete(id)
    }
  products.forEach((product, at) => {
    const row = rows.get(product.id) ?? newRow(product.id)
    fill(row, product)
    if (fresh.has(product.id)) highlight(row)
    if ($('products').children[at] !== row) $('products').insertBefore(row, $('products').children[at] ?? null)
  })
  $('empty').hidden = products.length > 0 || list.failures > 0 || !list.hasAnswered
  $('products').hidden = products.length === 0
  $('more').hidden = list.next === null
}

function newRow(id) {
  const row = $('product').content.firstElementChild.cloneNode(true)
  row.querySelector('.delete').addEventListener('click', () => deleteProduct(id))
  rows.set(id, row)
  return row
}

function fill(row, { name, price_cents, currency, stock, created_by }) {
  row.querySelector('.name').textContent = name
  row.querySelector('.price').textContent = inCurrency(price_cents, currency)
  const stocked = row.querySelector('.stock')
  stocked.textContent = stock === 0 ? 'Sold out' : `${stock} in stock`
  stocked.classList.toggle('out', stock === 0)
  const button = row.querySelector('.delete')
  button.hidden = created_by !== session.user?.id
  button.setAttribute('aria-label', `Delete ${name}`)
}

function highlight(row) {
  row.classList.remove('fresh')
  // Starts the animation anew.
  void row.offsetWidth
  row.classList.add('fresh')
}

function showTroubled({ message }, pauseMs) {
  const until = performance.now() + pauseMs
  const seconds = () => Math.max(1, Math.ceil((until - performance.now()) / 1_000))
  const tell = () => {
    $('trouble-retry').textContent = `Trying again in ${seconds()} s.`
  }
  // The same words again would be read aloud each time.
  if ($('trouble-text').textContent !== message) $('trouble-text').textContent = message
  $('trouble').hidden = false
  $('products').classList.add('stale')
  tell()
  list.countdown = setInterval(tell, 1_000)
  if (list.hasAnswered) showFreshness(`As of ${list.answeredAt}`, false)
  render()
}

function showFreshness(text, isLive) {
  $('freshness').textContent = text
  $('freshness').classList.toggle('live', isLive)
}

function showNotTroubled() {
  list.hasAnswered = true
  list.answeredAt = clock.format(new Date())
  $('trouble').hidden = true
  $('trouble-text').textContent = ''
  $('products').classList.remove('stale')
  showFreshness('Live', true)
  render()
}

async function deleteProduct(id) {
  const { name } = [...list.products, ...list.older].find(product => product.id === id)
  if (!confirm(`Delete ${name}?`)) return
  try {
    await session.call(`/products/${id}`, { method: 'DELETE' })
    list.remove(id)
    $('news').textContent = `${name} was deleted.`
  } catch (error) {
    if (!(error instanceof Trouble)) throw error
    showNotice($('product-notice'), error.message)
    $('adding').open = true
  }
}

// --- pages -----------------------------------------------------------------------------------------------------

let isRegistering = false

function showEntrance(notice = '') {
  $('shop').hidden = $('session').hidden = true
  $('entrance').hidden = false
  showNotice($('entrance-notice'), notice)
  $('email').focus()
}

function enter() {
  $('entrance').hidden = true
  $('entrance-form').reset()
  $('shop').hidden = $('session').hidden = false
  $('who').textContent = session.user.name
  $('shop-title').focus()
  list.start()
}

function leave(notice) {
  list.stop()
  showNotTroubled()
  session.forget()
  showEntrance(notice)
}

function setRegistering(wanted) {
  isRegistering = wanted
  const [title, other] = wanted ? ['Register', 'Log in instead'] : ['Log in', 'Register instead']
  $('entrance-title').textContent = $('enter').textContent = title
  $('switch').textContent = other
  $('name').closest('.field').hidden = $('password-hint').hidden = !wanted
  $('password').autocomplete = wanted ? 'new-password' : 'current-password'
  clearErrors($('entrance-form'))
  showNotice($('entrance-notice'), '')
}

$('switch').addEventListener('click', () => {
  setRegistering(!isRegistering)
  $(isRegistering ? 'name' : 'email').focus()
})

onSubmit($('entrance-form'), $('entrance-notice'), async ({ name, email, password }) => {
  if (isRegistering) await request('/users', { method: 'POST', body: { name, email, password } })
  await session.logIn(email, password)
  setRegistering(false)
  enter()
})

onSubmit($('product-form'), $('product-notice'), async ({ name, price, stock }) => {
  const body = { name, price_cents: toCents(price), stock: toCount(stock) }
  const product = await session.call('/products', { method: 'POST', body })
  $('product-form').reset()
  $('product-name').focus()
  list.take({ data: [product, ...list.products.filter(({ id }) => id !== product.id)], next: list.next })
  $('news').textContent = `${product.name} was added.`
})

/** Euros, with a point or a comma, as whole cents. */
function toCents(text) {
  const [, euros, , cents = ''] = /^\s*(\d{1,7})([.,](\d{1,2}))?\s*$/.exec(text) ?? []
  if (euros === undefined)
    throw new Trouble('', { errors: [{ pointer: '/price_cents', detail: 'Must be an amount such as 3.50.' }] })
  return Number(euros) * 100 + Number(cents.padEnd(2, '0'))
}

function toCount(text) {
  if (!/^\s*\d{1,9}\s*$/.test(text))
    throw new Trouble('', { errors: [{ pointer: '/stock', detail: 'Must be a whole number.' }] })
  return Number(text)
}

$('logout').addEventListener('click', async () => {
  list.stop()
  await session.logOut()
  leave('')
})
$('retry').addEventListener('click', () => list.ask())
$('more').addEventListener('click', async () => {
  try {
    await list.more()
  } catch (error) {
    if (!(error instanceof Trouble)) throw error
    showTroubled(error, POLL_MS)
  }
})
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible' && session.user) void list.ask()
})
// Another tab has logged out.
window.addEventListener('storage', ({ key, newValue }) => {
  if (key === STORED && newValue === null && session.user) leave('You have been logged out in another tab.')
})

/** A page that was open before: its session goes on, unless it has ended; a service that is away is waited for. */
async function begin() {
  if (session.user) return
  if (!session.isRemembered) return showEntrance()
  try {
    await session.resume()
    enter()
  } catch (error) {
    if (!(error instanceof Trouble)) throw error
    if (error.status === 401) return showEntrance(error.message)
    showEntrance(`${error.message} You are still logged in: trying again.`)
    setTimeout(begin, error.retryAfterMs ?? POLL_MS)
  }
}

void begin()
