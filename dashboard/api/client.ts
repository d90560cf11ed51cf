import { isObject } from '../model/schema.ts'

/** What is wrong with a request, where it stands. */
export interface Fault {
  /** JSON pointer (RFC 6901) into the body. */
  readonly pointer: string
  /** Short and stable: `required`, `irreversible`. */
  readonly code?: string
  readonly detail: string
}

/** A refusal of the manager (RFC 9457), or that it cannot be reached (status 0). */
export class ApiProblem extends Error {
  readonly status: number
  readonly code: string
  readonly remedy: string
  readonly faults: readonly Fault[]
  /** The change that failed, where it was one. */
  readonly change: string | undefined

  constructor(status: number, body: unknown, change?: string | null) {
    const { detail, title, code, remedy, errors } = isObject(body) ? body : {}
    super(String(detail ?? title ?? `the manager answered ${status}`))
    this.name = 'ApiProblem'
    this.status = status
    this.code = String(code ?? '')
    this.remedy = typeof remedy === 'string' ? remedy : ''
    this.faults = Array.isArray(errors) ? (errors as Fault[]) : []
    this.change = change ?? undefined
  }
}

export interface Answer<T> {
  readonly status: number
  readonly body: T
  readonly headers: Headers
}

export interface Asking {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

/** Speaks with the manager. What it answers with 401 is asked again after a new login, so that nothing typed is lost. */
export class Client {
  /** What proves that a request comes from this page. */
  csrf = ''
  readonly #onExpired: () => Promise<void>

  /** @param onExpired resolves when somebody has logged in again */
  constructor(onExpired: () => Promise<void>) {
    this.#onExpired = onExpired
  }

  async get<T>(path: string, signal?: AbortSignal): Promise<T> {
    return (await this.ask<T>('GET', path, signal ? { signal } : {})).body
  }

  async ask<T>(method: string, path: string, asking: Asking = {}): Promise<Answer<T>> {
    for (;;) {
      const response = await this.send(method, path, asking)
      if (response.status === 401) await this.#onExpired()
      else return answerOf<T>(response)
    }
  }

  /** One request, whatever it is answered. @throws ApiProblem with status 0 where there is no answer. */
  async send(method: string, path: string, { body, headers, signal }: Asking = {}): Promise<Response> {
    const isSafe = method === 'GET' || method === 'HEAD'
    try {
      return await fetch(path, {
        method,
        headers: {
          accept: 'application/json',
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(!isSafe && { 'x-csrf-token': this.csrf }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(signal && { signal }),
      })
    } catch (error) {
      if ((error as Error).name === 'AbortError') throw error
      throw new ApiProblem(0, {
        detail: 'The manager cannot be reached. Try again when the connection is back.',
      })
    }
  }
}

export async function answerOf<T>(response: Response): Promise<Answer<T>> {
  const { status, headers } = response
  const isJson = /json/.test(headers.get('content-type') ?? '')
  const body: unknown = isJson ? await response.json().catch(() => undefined) : await response.text()
  if (!response.ok) throw new ApiProblem(status, body, headers.get('sluice-change'))
  return { status, headers, body: body as T }
}
