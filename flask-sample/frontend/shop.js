/** What one does with products: adds, deletes, asks for more. */
import { Trouble } from './api.js'
import { $ } from './element.js'
import { onSubmit, showNotice } from './forms.js'
import { list } from './list.js'
import { SessionEnded, session } from './session.js'
import { whenDeleted } from './view.js'

onSubmit($('product-form'), $('product-notice'), async ({ name, price, stock }) => {
  const body = { name, price_cents: toCents(price), stock: toCount(stock) }
  const product = await session.call('/products', { method: 'POST', body })
  $('product-form').reset()
  $('product-name').focus()
  list.add(product)
})

/** Euros, with a point or a comma, as cents. */
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

whenDeleted(async product => {
  if (!confirm(`Delete ${product.name}?`)) return
  try {
    await list.remove(product)
  } catch (error) {
    if (!(error instanceof Trouble)) throw error
    if (error instanceof SessionEnded) return
    showNotice($('product-notice'), error.message)
    $('adding').open = true
  }
})

$('retry').addEventListener('click', () => list.ask())
$('more').addEventListener('click', () => list.more())
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible' && session.user) void list.ask()
})
