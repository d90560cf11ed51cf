/** What the Admin API answers. */
export interface Answer {
  readonly status: number
  /** Sent as JSON; none for 204 and 304. */
  readonly body?: unknown
  /** Sent instead of a body: the answers that Kong leaves to nginx. */
  readonly html?: string
  /** Refused by nginx before Kong saw it, so without Kong's headers. */
  readonly beforeKong?: true
  readonly headers?: Readonly<Record<string, string>>
}

/** A request to the Admin API, read and parsed. */
export interface AdminRequest {
  readonly method: string
  /** Decoded, without the leading slash: `['services', 'flask', 'routes']`. */
  readonly path: readonly string[]
  /** The last value of each name; `tags` and `size` are read from here. */
  readonly query: Readonly<Record<string, string>>
  /** The body as a tree; empty when there is none. Texts only, when it came from a form. */
  readonly body: Readonly<Record<string, unknown>>
  readonly isForm: boolean
  /** The body as it came. */
  readonly text: string
}

export type Handler = (request: AdminRequest) => Answer | Promise<Answer>

export const ok = (body: unknown): Answer => ({ status: 200, body })
export const created = (body: unknown): Answer => ({ status: 201, body })
export const noContent: Answer = { status: 204 }
export const message = (status: number, text: string): Answer => ({ status, body: { message: text } })
export const notFoundAnswer: Answer = message(404, 'Not found')
export const notAllowed: Answer = message(405, 'Method not allowed')

/** As nginx answers where Kong has no words of its own. */
export function htmlAnswer(status: number, title: string): Answer {
  const heading = `${status} ${title}`
  const html = `<html>\r\n<head><title>${heading}</title></head>\r\n<body>\r\n<center><h1>${heading}</h1></center>\r\n</body>\r\n</html>\r\n`
  return { status, html }
}

/** As Kong's proxy would say it, with an id to look for in the logs. */
export const notFoundWithId = (requestId: string): Answer => ({
  status: 404,
  body: { message: 'Not found', request_id: requestId },
})
