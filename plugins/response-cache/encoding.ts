import { BoundedMap } from '../../sdk/sdk.ts'

/** What a client may get: one of three, so that few variants are stored. */
export type Encoding = 'br' | 'gzip' | 'identity'

/**
 * Reduces `Accept-Encoding` to the best of br, gzip and identity that the client takes. What is not named and not
 * covered by `*` is not taken; without the field only identity is, though RFC 9110 section 12.5.3 would allow any.
 */
export function reduceEncoding(accepted: string | undefined): Encoding {
  if (accepted === undefined) return 'identity'
  const known = reduced.get(accepted)
  if (known !== undefined) return known
  const encoding = bestOf(accepted)
  if (accepted.length <= LONGEST_KEPT) reduced.set(accepted, encoding)
  return encoding
}

/** Clients send the same few over and over. */
const reduced = new BoundedMap<Encoding>(100)
const LONGEST_KEPT = 200

function bestOf(accepted: string): Encoding {
  const weights = new Map(
    accepted.split(',').map(part => {
      const [name = '', ...parameters] = part.split(';').map(text => text.trim().toLowerCase())
      const weight = parameters.find(text => text.startsWith('q='))?.slice(2)
      return [name, weight === undefined ? 1 : Number(weight) || 0] as const
    }),
  )
  const takes = (name: string) => (weights.get(name) ?? weights.get('*') ?? 0) > 0
  if (takes('br')) return 'br'
  return takes('gzip') || weights.get('x-gzip') ? 'gzip' : 'identity'
}
