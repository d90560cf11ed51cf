import { hash } from 'node:crypto'
import type { SluiceEvent } from '../sdk/event.ts'
import { storedJson } from './stored-json.ts'

/**
 * The chain of a writer's events: each holds a link that no one can compute without the event before it.
 *
 * ```
 * digest(event) = SHA-256(canonical JSON of the event without `chain`)
 * link(event)   = SHA-256(link of the event before it ‖ digest(event)), hexadecimal
 * ```
 *
 * The first event's predecessor is `genesis(writer)`. Altering an event breaks its own link, deleting or reordering
 * events breaks the sequence or the links of what follows. Whoever can rewrite a whole table can compute new links:
 * that is what the checkpoints are for, which also go to the queue and to the log.
 */
export function genesis(writer: string): string {
  return sha256(`sluice:${writer}`)
}

export function link(previous: string, digest: string): string {
  return sha256(previous + digest)
}

/** Digest of an event; its `chain` does not count. */
export function digestOf(event: Readonly<Partial<SluiceEvent>>): string {
  const { chain: _, ...rest } = event
  return sha256(storedJson(rest))
}

export const sha256 = (text: string): string => hash('sha256', text, 'hex')
