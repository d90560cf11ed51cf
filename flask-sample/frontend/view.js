/** The list of products as the page shows it. */
import { $ } from './element.js'

const money = new Intl.NumberFormat(undefined, { style: 'currency', currency: 'EUR' })
const inCurrency = (cents, currency) =>
  currency === 'EUR' ? money.format(cents / 100) : `${(cents / 100).toFixed(2)} ${currency}`
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' })

/** Elements are kept by their product, so that the focus stays where it is. */
const rows = new Map()
let onDelete = () => {}
let countdown

/** @param work gets the product that is to be deleted */
export function whenDeleted(work) {
  onDelete = work
}

/** @param fresh ids of those that are new or have changed */
export function showProducts(products, { fresh = new Set(), owner, isEmpty, hasMore }) {
  removeAllBut(new Set(products.map(({ id }) => id)))
  const shown = $('products')
  products.forEach((product, at) => {
    const row = rows.get(product.id) ?? newRow(product.id)
    fill(row, product, owner)
    if (fresh.has(product.id)) highlight(row)
    if (shown.children[at] !== row) shown.insertBefore(row, shown.children[at] ?? null)
  })
  $('empty').hidden = !isEmpty
  shown.hidden = products.length === 0
  $('more').hidden = !hasMore
}

function removeAllBut(ids) {
  for (const [id, row] of rows) {
    if (ids.has(id)) continue
    if (row.contains(document.activeElement)) $('shop-title').focus()
    row.remove()
    rows.delete(id)
  }
}

function newRow(id) {
  const row = $('product').content.firstElementChild.cloneNode(true)
  rows.set(id, row)
  return row
}

function fill(row, product, owner) {
  const { name, price_cents, currency, stock, created_by } = product
  row.querySelector('.name').textContent = name
  row.querySelector('.price').textContent = inCurrency(price_cents, currency)
  const stocked = row.querySelector('.stock')
  stocked.textContent = stock === 0 ? 'Sold out' : `${stock} in stock`
  stocked.classList.toggle('out', stock === 0)
  const button = row.querySelector('.delete')
  button.hidden = created_by !== owner
  button.setAttribute('aria-label', `Delete ${name}`)
  button.onclick = () => onDelete(product)
}

function highlight(row) {
  row.classList.remove('fresh')
  // Starts the animation anew.
  void row.offsetWidth
  row.classList.add('fresh')
}

/** @param answeredAt of what is still shown; undefined where nothing is */
export function showTroubled({ message }, pauseMs, answeredAt) {
  // The same words again would be read aloud each time.
  if ($('trouble-text').textContent !== message) $('trouble-text').textContent = message
  $('trouble').hidden = false
  $('products').classList.add('stale')
  countDown(pauseMs)
  if (answeredAt) showFreshness(`As of ${clock.format(answeredAt)}`, false)
}

function countDown(pauseMs) {
  const until = performance.now() + pauseMs
  const show = () => {
    const seconds = Math.max(1, Math.ceil((until - performance.now()) / 1_000))
    $('trouble-retry').textContent = `Trying again in ${seconds} s.`
  }
  stopCountdown()
  show()
  countdown = setInterval(show, 1_000)
}

export const stopCountdown = () => clearInterval(countdown)

export function showLive() {
  $('trouble').hidden = true
  $('trouble-text').textContent = ''
  $('products').classList.remove('stale')
  showFreshness('Live', true)
}

function showFreshness(text, isLive) {
  $('freshness').textContent = text
  $('freshness').classList.toggle('live', isLive)
}

/** For those who hear the page. */
export function tell(text) {
  $('news').textContent = text
}
