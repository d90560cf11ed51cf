/** One request; whatever goes wrong becomes a Trouble that says which part of the platform it was. */

const REQUEST_MS = 10_000

/** What went wrong, in words for people. */
export class Trouble extends Error {
  constructor(message, { status, errors = [], retryAfterMs } = {}) {
    super(message)
    this.status = status
    /** Of the service: `{pointer, detail}` each. */
    this.errors = errors
    this.retryAfterMs = retryAfterMs
  }
}

/** @throws Trouble */
export async function request(path, { method = 'GET', body, token } = {}) {
  const answer = await send(path, {
    method,
    headers: {
      accept: 'application/json',
      ...(body && { 'content-type': 'application/json' }),
      ...(token && { authorization: `Bearer ${token}` }),
    },
    // Asked with the ETag of the copy at hand, which comes back when nothing has changed.
    cache: 'no-cache',
    signal: AbortSignal.timeout(REQUEST_MS),
    ...(body && { body: JSON.stringify(body) }),
  })
  const content = parse(await answer.text())
  if (answer.ok) return content
  throw new Trouble(describe(path, answer, content), {
    status: answer.status,
    errors: content?.errors,
    retryAfterMs: Number(answer.headers.get('retry-after')) * 1_000 || undefined,
  })
}

async function send(path, options) {
  try {
    return await fetch(path, options)
  } catch (error) {
    throw new Trouble(
      error.name === 'TimeoutError'
        ? `The gateway has not answered within ${REQUEST_MS / 1_000} seconds.`
        : 'The gateway does not answer. Is it running, and are you online?',
    )
  }
}

/** Undefined for what is not JSON. */
export function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Problem details are the service's own words; `message` are the gateway's. */
function describe(path, { status, headers }, content) {
  const service = path.split(/[/?]/)[1]
  if (status === 429) {
    const seconds = headers.get('retry-after')
    return `Too many requests: the gateway asks to wait${seconds ? ` ${seconds} seconds` : ''}.`
  }
  if (content?.detail) return status < 500 ? content.detail : `The ${service} service says: ${content.detail}`
  const words = content?.message ? ` (${status}: ${content.message})` : ` (${status})`
  if (status === 404) return `The gateway has no route to the ${service} service${words}.`
  if (status >= 500) return `The ${service} service is not available${words}.`
  return `The gateway refuses the request${words}.`
}
