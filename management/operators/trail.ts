import type { FastifyRequest } from 'fastify'
import { BoundedMap } from '../../foundation/bounded-map.ts'
import type { Clock } from '../../foundation/clock.ts'
import type { EventPublisher } from '../../sdk/event.ts'
import type { Operator } from '../http/access.ts'
import type { Problem } from '../http/problem.ts'

/** The same refusal of the same client is told once in this time: a script must not fill the spool. */
const REFUSAL_EVERY_MS = 10_000
const REMEMBERED_REFUSALS = 10_000
const LONGEST_NAME = 100

/** Publishes who logged in, who was refused, and what happened to operators and tokens. */
export class Trail {
  readonly #events: EventPublisher
  readonly #clock: Clock
  readonly #refusedAtMs = new BoundedMap<number>(REMEMBERED_REFUSALS)

  constructor(events: EventPublisher, clock: Clock) {
    this.#events = events
    this.#clock = clock
  }

  loggedIn({ name }: Pick<Operator, 'name'>, address: string): Promise<void> {
    return this.#tell('manager.login.succeeded.v1', `operator/${name}`, { name, address })
  }

  /** @param given the name as it came, of whoever that is. */
  loginFailed(given: string, address: string): Promise<void> {
    const name = given.slice(0, LONGEST_NAME)
    return this.#tell('manager.login.failed.v1', `operator/${name}`, { name, address })
  }

  /** One that was refused for its pace, which costs whoever tries nothing. */
  async loginSlowed(given: string, address: string): Promise<void> {
    if (this.#isNew(`login ${address}`)) await this.loginFailed(given, address)
  }

  sessionEnded(actor: string, of: string): Promise<void> {
    return this.#tell('manager.session.ended.v1', `operator/${of}`, { actor, of })
  }

  operatorChanged(
    actor: string,
    name: string,
    what: 'added' | 'role' | 'password' | 'disabled',
    role?: string,
  ): Promise<void> {
    return this.#tell('manager.operator.changed.v1', `operator/${name}`, {
      actor,
      name,
      what,
      ...(role !== undefined && { role }),
    })
  }

  tokenChanged(actor: string, of: string, name: string, what: 'made' | 'revoked'): Promise<void> {
    return this.#tell('manager.token.changed.v1', `operator/${of}`, { actor, of, name, what })
  }

  readonly refused = ({ operator, ip, method, url }: FastifyRequest, { code }: Problem): void => {
    const actor = operator?.name
    if (!this.#isNew(`${actor ?? ''} ${ip} ${code}`)) return
    const path = url.replace(/\?.*$/s, '').slice(0, 500)
    void this.#tell('manager.request.refused.v1', actor === undefined ? ip : `operator/${actor}`, {
      ...(actor !== undefined && { actor }),
      address: ip,
      method,
      path,
      code,
    })
  }

  /** Whether the same was not told lately. */
  #isNew(key: string): boolean {
    const nowMs = this.#clock.monotonic()
    if (nowMs - (this.#refusedAtMs.get(key) ?? Number.NEGATIVE_INFINITY) < REFUSAL_EVERY_MS) return false
    this.#refusedAtMs.set(key, nowMs)
    return true
  }

  #tell(type: string, subject: string, data: Readonly<Record<string, unknown>>): Promise<void> {
    return this.#events.publish({ type, subject, data })
  }
}
