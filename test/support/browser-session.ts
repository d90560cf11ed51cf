import assert from 'node:assert/strict'
import { type Answer, callManager } from './manager.ts'

/** What a browser does with the manager: keeps a cookie, and sends origin and CSRF token. */
export class BrowserSession {
  readonly url: string
  readonly origin: string
  cookie = ''
  csrf = ''

  /** @param origin of the page; that of `url` where left out. */
  constructor(url: string, origin = url) {
    this.url = url
    this.origin = origin
  }

  /** @param headers replace those of the browser; an empty one is not sent. */
  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const all = {
      origin: this.origin,
      cookie: this.cookie,
      'x-csrf-token': this.csrf,
      ...headers,
    }
    const sent = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''))
    const answer = await callManager(this.url, { headers: sent }, method, path, body)
    const [cookie] = answer.headers.getSetCookie()
    if (cookie !== undefined) this.cookie = cookie.split(';')[0] ?? ''
    if (typeof answer.body.csrf === 'string') this.csrf = answer.body.csrf
    return answer
  }

  login(name: string, password: string): Promise<Answer> {
    return this.call('POST', '/v1/session', { name, password })
  }
}

export async function loggedIn(url: string, name: string, password: string): Promise<BrowserSession> {
  const session = new BrowserSession(url)
  const { status, text } = await session.login(name, password)
  assert.equal(status, 200, text)
  return session
}
