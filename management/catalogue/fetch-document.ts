import { messageOf } from '../../foundation/errors.ts'
import { request } from '../../foundation/undici.ts'
import type { Offer, OfferedService } from './offer.ts'
import { DocumentRefused } from './openapi/parse.ts'
import { headersOf, placesOf } from './reach.ts'

/** What the catalogue bears with, of each document. */
const BOUNDS: Bounds = { maxBytes: 2 * 1_048_576, timeoutMs: 5_000 }

export interface Bounds {
  readonly maxBytes: number
  readonly timeoutMs: number
}

export type FetchText = (service: OfferedService, offer: Offer) => Promise<string>

/**
 * Fetches the document of a service as any client would, through Kong's own proxy: the catalogue opens no way to a
 * service that the gateway does not open. Redirects are not followed, since they could lead anywhere.
 *
 * @param proxyUrl of Kong's proxy
 * @returns a function that throws DocumentRefused that says why there is none, for the operator of the service
 */
export function createFetchText(proxyUrl: string, bounds: Bounds = BOUNDS): FetchText {
  return async (service, offer) => {
    const path = service.documentPath ?? '/openapi.json'
    const [place] = placesOf(offer, service, 'GET', path)
    if (!place) throw new DocumentRefused(`no route of the gateway leads to ${path} of the service`)
    const [server] = place.servers
    const headers = {
      accept: 'application/json, application/yaml;q=0.9, */*;q=0.1',
      ...(server !== undefined && { host: new URL(server).host }),
      ...headersOf(place.route),
    }
    return fetchText(new URL(place.path, proxyUrl), headers, bounds)
  }
}

async function fetchText(
  url: URL,
  headers: Record<string, string>,
  { maxBytes, timeoutMs }: Bounds,
): Promise<string> {
  const signal = AbortSignal.timeout(timeoutMs)
  try {
    const { statusCode, body } = await request(url, { headers, signal })
    if (statusCode === 200) return await readText(body, maxBytes)
    body.on('error', () => {}).destroy()
    const more = statusCode >= 300 && statusCode < 400 ? ', and redirects are not followed' : ''
    throw new DocumentRefused(`${url.pathname} answers ${statusCode}${more}`)
  } catch (error) {
    if (error instanceof DocumentRefused) throw error
    const reason = signal.aborted
      ? `did not answer within ${timeoutMs / 1_000} s`
      : `failed: ${messageOf(error)}`
    throw new DocumentRefused(`${url.pathname} ${reason}`)
  }
}

async function readText(body: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new DocumentRefused(`is larger than ${maxBytes / 1_048_576} MiB`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
