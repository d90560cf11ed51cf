/** `kong.loopback` and `kong.loopbackOrigin`: what they need of the request is asked of Kong. */
import { SluiceError } from '../../foundation/errors.ts'
import type { HeaderMap } from '../../protocol/pdk/entities.ts'
import type { LoopbackAnswer, LoopbackOrigin, LoopbackRequest } from '../../sdk/loopback.ts'
import { STAMP_HEADER } from '../loopback/stamp.ts'
import type { Conversation } from './conversation.ts'

/** Kong keeps it as long as the request; nobody outside can set it. */
const ACCEPTED = 'sluice_loopback'
/** In the log data, for plugins that log. */
const INTERNAL_MARK = 'sluice.internal'
const ALL_HEADERS = [100] as const

export async function callLoopback(
  conversation: Conversation,
  request: LoopbackRequest,
): Promise<LoopbackAnswer> {
  const { loopback } = conversation
  if (!loopback)
    throw new SluiceError(
      'SLUICE_LOOPBACK_REFUSED',
      'kong.loopback: SLUICE_PROXY_URL or SLUICE_LOOPBACK_SECRET is not set',
    )
  const [headers, clientIp] = await Promise.all([
    conversation.read<HeaderMap>('kong.request.get_headers', ALL_HEADERS),
    conversation.read<string>('kong.client.get_forwarded_ip', []),
  ])
  return loopback.send(request, { headers, clientIp, origin: await loopbackOrigin(conversation) })
}

/** The first plugin that asks accepts the stamp, and takes it off the request; the others find what it found. */
export function loopbackOrigin(conversation: Conversation): Promise<LoopbackOrigin | undefined> {
  conversation.origin ??= askOrigin(conversation)
  return conversation.origin
}

async function askOrigin(conversation: Conversation): Promise<LoopbackOrigin | undefined> {
  const { loopback } = conversation
  if (!loopback) return undefined
  const known = await conversation.read<LoopbackOrigin | undefined>('kong.ctx.shared.get', [ACCEPTED])
  if (known) return known
  const headers = await conversation.read<HeaderMap>('kong.request.get_headers', ALL_HEADERS)
  const stamp = headers[STAMP_HEADER]
  if (typeof stamp !== 'string') return undefined
  const [method, target] = await Promise.all([
    conversation.read<string>('kong.request.get_method', []),
    conversation.read<string>('kong.nginx.get_var', ['request_uri']),
  ])
  const origin = await loopback.accept(stamp, { method, target }, headers)
  conversation.tell('kong.service.request.clear_header', [STAMP_HEADER])
  if (origin) {
    const { purpose, clientIp } = origin
    conversation.tell('kong.ctx.shared.set', [ACCEPTED, { ...origin }])
    conversation.tell('kong.log.set_serialize_value', [INTERNAL_MARK, { purpose, client_ip: clientIp }])
  }
  return origin
}
