import type { Check, Finding } from './check.ts'
import { fail, ok } from './check.ts'

const AREA = 'loopback'
const ANSWER_WITHIN_MS = 5_000

/** Calls through Kong's own proxy: what plugins need for them, and that a Kong is there. */
export const checkLoopback: Check = async ({ settings: { proxyUrl, loopbackSecret } }) => {
  if (proxyUrl === undefined && loopbackSecret === undefined)
    return [ok(AREA, 'SLUICE_PROXY_URL is not set: aggregate is refused, and caches are filled by clients')]
  if (proxyUrl === undefined || loopbackSecret === undefined) {
    const missing = proxyUrl === undefined ? 'SLUICE_PROXY_URL' : 'SLUICE_LOOPBACK_SECRET'
    return [fail(AREA, `${missing} is not set, the other is`, `Set ${missing}, the same on all nodes.`)]
  }
  return [await askProxy(proxyUrl)]
}

/** Any answer will do, if it is Kong's. */
async function askProxy(url: string): Promise<Finding> {
  const remedy = "Set SLUICE_PROXY_URL to the address of Kong's proxy (KONG_PROXY_LISTEN), as seen from here."
  try {
    const answer = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(ANSWER_WITHIN_MS) })
    await answer.body?.cancel()
    const isKong = [
      'x-kong-request-id',
      'x-kong-response-latency',
      'x-kong-proxy-latency',
      'via',
      'server',
    ].some(
      name =>
        answer.headers.has(name) && (name.startsWith('x-') || /kong/i.test(answer.headers.get(name) ?? '')),
    )
    return isKong
      ? ok(AREA, `Kong answers at ${new URL(url).origin}`)
      : fail(AREA, `what answers at ${new URL(url).origin} is no Kong`, remedy)
  } catch (error) {
    const { cause } = error as { cause?: unknown }
    return fail(AREA, `no answer: ${cause instanceof Error ? cause.message : String(error)}`, remedy)
  }
}
