import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Address, Settings } from '../../foundation/settings.ts'
import { Problem } from '../http/problem.ts'
import type { IssuedSession } from './sessions.ts'

export const CSRF_HEADER = 'x-csrf-token'
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]|::1)$/
const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]']
const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS']

export const isUnsafe = ({ method }: FastifyRequest): boolean => !SAFE_METHODS.includes(method)

/**
 * Where browsers reach the manager, and what follows: the name of the cookie, and the origins whose pages may send
 * unsafe requests. Over plain HTTP there are sessions on loopback only.
 */
export class BrowserAccess {
  readonly #publicUrl: URL | undefined
  readonly #listen: Address | undefined

  constructor({ managerPublicUrl, managerListen }: Pick<Settings, 'managerPublicUrl' | 'managerListen'>) {
    this.#publicUrl = managerPublicUrl === undefined ? undefined : new URL(managerPublicUrl)
    this.#listen = managerListen
  }

  get isTls(): boolean {
    return this.#publicUrl?.protocol === 'https:'
  }

  /** `__Host-`: browsers take it only over TLS, for this host alone, with the path `/`. */
  get cookieName(): string {
    return this.isTls ? '__Host-sluice-session' : 'sluice-session'
  }

  /** @throws Problem SLUICE_MANAGER_ORIGIN where there can be no session, or the request is of another page. */
  checkOrigin(request: FastifyRequest): void {
    const { origin } = request.headers
    if (!this.#canHaveSessions())
      throw new Problem(
        'SLUICE_MANAGER_ORIGIN',
        'sessions need TLS: set SLUICE_MANAGER_PUBLIC_URL to the https:// URL of the proxy in front of the manager',
      )
    if (origin === undefined)
      throw new Problem(
        'SLUICE_MANAGER_ORIGIN',
        'a request of a browser that changes something has an `Origin`',
      )
    if (!this.#origins(request.socket.localPort).includes(origin))
      throw new Problem(
        'SLUICE_MANAGER_ORIGIN',
        `the origin ${JSON.stringify(origin)} is not that of SLUICE_MANAGER_PUBLIC_URL`,
      )
  }

  setCookie(reply: FastifyReply, { secret, expiresAt }: IssuedSession): void {
    void reply.setCookie(this.cookieName, secret, { ...this.#attributes(), expires: expiresAt })
  }

  clearCookie(reply: FastifyReply): void {
    void reply.clearCookie(this.cookieName, this.#attributes())
  }

  #attributes() {
    return { path: '/', httpOnly: true, sameSite: 'strict', secure: this.isTls } as const
  }

  #canHaveSessions(): boolean {
    const host = this.#publicUrl?.hostname ?? this.#listen?.host ?? ''
    return this.isTls || LOOPBACK.test(host)
  }

  #origins(port: number | undefined): readonly string[] {
    return this.#publicUrl ? [this.#publicUrl.origin] : LOOPBACK_NAMES.map(name => `http://${name}:${port}`)
  }
}
