/**
 * The sample shop: logs in at the users service and shows the products service's list, live, all through the gateway
 * that serves this page. Nothing is loaded from elsewhere. This module changes between its two pages: the entrance, and
 * the shop of whoever is logged in.
 */
import { request, Trouble } from './api.js'
import { $ } from './element.js'
import { clearErrors, onSubmit, showNotice } from './forms.js'
import { list, POLL_MS } from './list.js'
import { SessionEnded, session } from './session.js'
import { showLive } from './view.js'
import './shop.js'

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
  showLive()
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

$('logout').addEventListener('click', async () => {
  list.stop()
  await session.logOut()
  leave('')
})

session.onEnded = leave

/** A page that was open before: its session goes on, unless it has ended; a service that is away is waited for. */
async function begin() {
  if (session.user) return
  if (!session.isRemembered) return showEntrance()
  try {
    await session.resume()
    enter()
  } catch (error) {
    if (error instanceof SessionEnded) return
    if (!(error instanceof Trouble)) throw error
    if (error.status === 401) return showEntrance(error.message)
    showEntrance(`${error.message} You are still logged in: trying again.`)
    setTimeout(begin, error.retryAfterMs ?? POLL_MS)
  }
}

void begin()
