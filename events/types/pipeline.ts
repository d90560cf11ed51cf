import { Type } from '../../foundation/typebox.ts'
import type { EventType } from '../../sdk/event.ts'

const writer = Type.String({ description: 'id of the writer, 16 hexadecimal digits' })
const sequence = Type.Integer({ minimum: 0 })

/** What the event pipeline says about itself. */
export const PIPELINE_EVENTS: readonly EventType[] = [
  {
    type: 'events.lost.v1',
    doc: 'Events were dropped, and why: never silently.',
    data: Type.Object({
      count: Type.Integer({ minimum: 1, description: 'events dropped since the last such record' }),
      reason: Type.Union(
        ['spool-full', 'memory-full', 'too-large', 'malformed', 'corrupt'].map(reason =>
          Type.Literal(reason),
        ),
        {
          description:
            'spool-full: SLUICE_SPOOL_MAX_BYTES was reached; memory-full: the disk did not take what waited for it; ' +
            'too-large: above the limit of a single event; malformed: the type was no name; ' +
            'corrupt: bytes on disk failed their checksum',
        },
      ),
      first_at: Type.String({ description: 'time of the first one, RFC 3339' }),
      last_at: Type.String({ description: 'time of the last one, RFC 3339' }),
    }),
  },
  {
    type: 'events.checkpoint.v1',
    doc: 'Where the chain of its writer stands: once a minute while events are written, and at a planned end.',
    data: Type.Object({
      writer,
      sequence,
      chain: Type.String({ description: 'link of the event with that sequence, 64 hexadecimal digits' }),
      final: Type.Boolean({ description: 'the writer has ended, and nothing follows' }),
    }),
  },
  {
    type: 'events.spool-adopted.v1',
    doc: 'The spool of a process that is gone was taken over, and its events are sent on.',
    data: Type.Object({
      writer,
      sequence: Type.Integer({ minimum: 0, description: 'the last whole record of that writer; 0: none' }),
      chain: Type.String({ description: 'its link, 64 hexadecimal digits' }),
      torn_bytes: Type.Integer({ minimum: 0, description: 'cut from the end: they were never acknowledged' }),
    }),
  },
]
