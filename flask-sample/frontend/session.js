/**
 * Who is logged in. The refresh token is in localStorage (one for all tabs, spent under a lock), the access token in the
 * tab's own sessionStorage, so that a reload spends nothing.
 */
import { parse, request, Trouble } from './api.js'

const REFRESH = 'sluice-sample-refresh-token'
const ACCESS = 'sluice-sample-access-token'
/** An access token that is about to expire is renewed so long before, milliseconds. */
const RENEWED_MS = 30_000

/** Whoever asked need not say so: `onEnded` has been called. */
export class SessionEnded extends Trouble {}

export const session = {
  /** `{token, expiresAtMs}`, by this machine's clock. */
  access: undefined,
  user: undefined,
  /** Called with the reason when the session has ended without being asked to. */
  onEnded: () => {},

  /** @throws SessionEnded */
  end(reason) {
    this.forget()
    this.onEnded(reason)
    throw new SessionEnded(reason, { status: 401 })
  },

  get isRemembered() {
    return localStorage.getItem(REFRESH) !== null
  },

  async logIn(email, password) {
    this.keep(await request('/users/login', { method: 'POST', body: { email, password } }))
    await this.identify()
  },

  /** An answer with a new refresh token that a reload cuts off would be lost, and with it the session. */
  async resume() {
    this.access = parse(sessionStorage.getItem(ACCESS))
    await this.identify()
  },

  async identify() {
    this.user = await this.call('/users/me')
  },

  keep({ access_token, expires_in, refresh_token }) {
    this.access = { token: access_token, expiresAtMs: Date.now() + expires_in * 1_000 }
    sessionStorage.setItem(ACCESS, JSON.stringify(this.access))
    localStorage.setItem(REFRESH, refresh_token)
  },

  forget() {
    this.access = this.user = undefined
    sessionStorage.removeItem(ACCESS)
    localStorage.removeItem(REFRESH)
  },

  /** A refresh token is good once, so tabs take turns; each reads what the one before has left. */
  refresh() {
    const spend = async () => {
      const refresh_token = localStorage.getItem(REFRESH)
      if (refresh_token === null) this.end('You have been logged out. Log in again.')
      try {
        this.keep(await request('/users/refresh', { method: 'POST', body: { refresh_token } }))
      } catch (error) {
        if (error.status !== 401) throw error
        this.end('Your session has ended. Log in again.')
      }
    }
    return navigator.locks ? navigator.locks.request(REFRESH, spend) : spend()
  },

  /** A request with the access token, which is renewed when it is about to expire or is refused. */
  async call(path, options) {
    if (!(Date.now() < this.access?.expiresAtMs - RENEWED_MS)) await this.refresh()
    try {
      return await request(path, { ...options, token: this.access.token })
    } catch (error) {
      if (error.status !== 401) throw error
      await this.refresh()
      return request(path, { ...options, token: this.access.token })
    }
  },

  async logOut() {
    const refresh_token = localStorage.getItem(REFRESH)
    this.forget()
    if (refresh_token !== null)
      // Gone here in any case; the service forgets it by itself when it expires.
      await request('/users/logout', { method: 'POST', body: { refresh_token } }).catch(() => {})
  },
}

// Another tab has logged out.
window.addEventListener('storage', ({ key, newValue }) => {
  if (key === REFRESH && newValue === null && session.user)
    session.onEnded('You have been logged out in another tab.')
})
