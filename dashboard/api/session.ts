import { answerOf, Client } from './client.ts'
import { Store } from './store.ts'

export type Role = 'viewer' | 'editor' | 'admin'

/** Who is logged in. */
export interface Who {
  readonly name: string
  readonly role: Role
}

interface SessionBody {
  readonly operator: string
  readonly role: Role
  readonly csrf: string | null
}

export type SessionState =
  | { readonly phase: 'asking' }
  | { readonly phase: 'out' }
  /** `isExpired`: the session ended while the page was in use; what was typed is still there. */
  | { readonly phase: 'in'; readonly who: Who; readonly isExpired: boolean }

const NAME = 'sluice'

/** The session of this browser, in all its tabs. */
export class Session {
  readonly state = new Store<SessionState>({ phase: 'asking' })
  readonly client = new Client(() => this.#expired())
  #waiting: (() => void)[] = []
  readonly #tabs = new BroadcastChannel(`${NAME}-session`)

  constructor() {
    this.#tabs.onmessage = ({ data }) => {
      if (data === 'out') this.#leave()
      else void this.resume()
    }
  }

  /** Asks whether there is a session already. */
  async resume(): Promise<void> {
    const response = await this.client.send('GET', '/v1/session').catch(() => undefined)
    if (response?.ok) this.#enter((await answerOf<SessionBody>(response)).body)
    else if (response && this.state.value.phase === 'asking') this.state.set({ phase: 'out' })
    else if (!response && this.state.value.phase === 'asking') setTimeout(() => void this.resume(), 2_000)
  }

  /** @throws ApiProblem */
  async logIn(name: string, password: string): Promise<void> {
    const response = await this.client.send('POST', '/v1/session', { body: { name, password } })
    const { body } = await answerOf<SessionBody>(response)
    this.#enter(body)
    this.#tabs.postMessage('in')
  }

  /** Ends all other sessions of who is logged in. @throws ApiProblem */
  async changePassword(current: string, next: string): Promise<void> {
    // Not by `ask`: a wrong password is no session that has ended.
    const response = await this.client.send('PUT', '/v1/session/password', { body: { current, new: next } })
    const { body } = await answerOf<SessionBody>(response)
    this.#enter(body)
    this.#tabs.postMessage('in')
  }

  async logOut(): Promise<void> {
    await this.client.send('DELETE', '/v1/session').catch(() => undefined)
    this.#leave()
    this.#tabs.postMessage('out')
  }

  #enter({ csrf, operator: name, role }: SessionBody): void {
    this.client.csrf = csrf ?? ''
    const who = { name, role }
    const { value } = this.state
    // Somebody else must not go on with what was typed.
    if (value.phase === 'in' && value.who.name !== who.name) location.reload()
    else this.state.set({ phase: 'in', who, isExpired: false })
    for (const go of this.#waiting.splice(0)) go()
  }

  #leave(): void {
    if (this.state.value.phase === 'in') location.reload()
  }

  #expired(): Promise<void> {
    const { value } = this.state
    if (value.phase === 'in') this.state.set({ ...value, isExpired: true })
    return new Promise(resolve => this.#waiting.push(resolve))
  }
}

export const session = new Session()
export const client = session.client

const RANKS: readonly Role[] = ['viewer', 'editor', 'admin']

export function may(role: Role): boolean {
  const { value } = session.state
  return value.phase === 'in' && RANKS.indexOf(value.who.role) >= RANKS.indexOf(role)
}
