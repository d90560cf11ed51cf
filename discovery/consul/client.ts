import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { Agent } from '../../foundation/undici.ts'
import { type Instance, readInstances } from './instances.ts'

/** Which instances of a service are meant. */
export interface ServiceQuery {
  readonly service: string
  /** Instances must have all of them. */
  readonly tags: readonly string[]
  /** Consul's own datacenter where it is undefined. */
  readonly datacenter: string | undefined
}

export interface ServiceAnswer {
  /** Of the state that was read; 0 when Consul gave none. */
  readonly index: number
  readonly instances: readonly Instance[]
}

export interface ConsulOptions {
  /** `http://127.0.0.1:8500`. */
  readonly url: string
  /** Sent as X-Consul-Token. */
  readonly token: string | undefined
}

export interface ReadOptions {
  /** Consul answers when its state has a higher index than this one; 0: at once. */
  readonly index: number
  /** How long it may wait for that, milliseconds. */
  readonly waitMs: number
  readonly signal?: AbortSignal
}

/** Consul adds up to a sixteenth of the wait by itself; the rest is for the way. */
const SLACK_MS = 10_000

/** Reads the health of services. One request, one answer: repeating is the caller's business. */
export class ConsulClient {
  readonly url: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #agent = new Agent({ connect: { timeout: 3_000 }, connections: null })

  /** @throws SluiceError SLUICE_CLI_USAGE when the URL is none. */
  constructor({ url, token }: ConsulOptions) {
    if (!/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : ''))
      throw new SluiceError('SLUICE_CLI_USAGE', `${JSON.stringify(url)} is not the URL of a Consul`)
    this.url = url.replace(/\/+$/, '')
    this.#headers = { accept: 'application/json', ...(token !== undefined && { 'x-consul-token': token }) }
  }

  /**
   * The passing instances of a service (https://developer.hashicorp.com/consul/api-docs/health).
   *
   * @throws SluiceError SLUICE_CONSUL_UNREACHABLE when no answer came, or a 5xx; SLUICE_CONSUL_REFUSED for others.
   */
  async passing(query: ServiceQuery, { index, waitMs, signal }: ReadOptions): Promise<ServiceAnswer> {
    const parameters = new URLSearchParams({ passing: 'true', index: String(index), wait: `${waitMs}ms` })
    for (const tag of query.tags) parameters.append('tag', tag)
    if (query.datacenter !== undefined) parameters.set('dc', query.datacenter)
    const path = `/v1/health/service/${encodeURIComponent(query.service)}?${parameters}`
    const timeoutMs = waitMs + waitMs / 16 + SLACK_MS
    const { status, headers, text } = await this.#get(path, timeoutMs, signal)
    if (status !== 200) throw refused(status, `${query.service}: ${status} ${text.trim().slice(0, 200)}`)
    return { index: Number(headers['x-consul-index']) || 0, instances: readInstances(JSON.parse(text)) }
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  async #get(path: string, timeoutMs: number, signal?: AbortSignal) {
    const { origin, pathname } = new URL(this.url)
    try {
      const { statusCode, headers, body } = await this.#agent.request({
        origin,
        path: pathname.replace(/\/$/, '') + path,
        method: 'GET',
        headers: this.#headers,
        headersTimeout: timeoutMs,
        bodyTimeout: SLACK_MS,
        ...(signal && { signal }),
      })
      return { status: statusCode, headers, text: await body.text() }
    } catch (error) {
      const reason = messageOf(error) || String((error as { code?: unknown }).code)
      throw new SluiceError('SLUICE_CONSUL_UNREACHABLE', `no answer from Consul at ${this.url}: ${reason}`, {
        cause: error,
      })
    }
  }
}

const refused = (status: number, message: string) =>
  new SluiceError(status >= 500 ? 'SLUICE_CONSUL_UNREACHABLE' : 'SLUICE_CONSUL_REFUSED', message)
