import { isUuid } from '../../foundation/uuid.ts'

/** An event as a stream sends it: without its place in the chain of its writer. */
export interface LiveEvent {
  readonly id: string
  /** RFC 3339 */
  readonly time: string
  readonly type: string
  readonly subject: string
  readonly node: string
  readonly data: unknown
}

/** Reads an event as it comes from RabbitMQ; undefined for what is none. */
export function parseEvent(content: Buffer): LiveEvent | undefined {
  try {
    const { id, time, type, subject, node, data } = JSON.parse(content.toString()) as Partial<LiveEvent>
    const isEvent =
      typeof id === 'string' &&
      isUuid(id) &&
      typeof type === 'string' &&
      typeof time === 'string' &&
      typeof subject === 'string' &&
      typeof node === 'string'
    return isEvent ? { id, time, type, subject, node, data } : undefined
  } catch {
    return undefined
  }
}

/** As Server-Sent Events have it. JSON has no line ends, and neither has an id. */
export const frameOf = (event: LiveEvent): string => `id: ${event.id}\ndata: ${JSON.stringify(event)}\n\n`

/**
 * The time in an id, milliseconds since the epoch: 48 bits in front, as `events/stamp.ts` lays them out. Undefined for
 * what is no id of an event.
 */
export function timeOfId(id: string): number | undefined {
  return isUuid(id) && id.charAt(14) === '8'
    ? Number.parseInt(id.replace('-', '').slice(0, 12), 16)
    : undefined
}
