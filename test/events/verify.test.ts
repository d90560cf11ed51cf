import assert from 'node:assert/strict'
import fc from 'fast-check'
import { digestOf, genesis, link } from '../../events/chain.ts'
import { ChainVerifier, type Checkpoint, describeProblem } from '../../events/verify.ts'
import type { SluiceEvent } from '../../sdk/event.ts'
import { makeEvents } from './records.ts'

const WRITER = '00000000000000aa'

function problems(
  events: readonly SluiceEvent[],
  options: { start?: Checkpoint; checkpoints?: Checkpoint[] } = {},
) {
  const verifier = new ChainVerifier(WRITER, options)
  for (const event of [...events].sort((a, b) => a.sequence - b.sequence))
    verifier.add({ sequence: event.sequence, chain: event.chain, content: event })
  return verifier.finish().problems.map(describeProblem)
}
const alter = (event: SluiceEvent): SluiceEvent => ({ ...event, data: { forged: true } })
const at = (sequence: number) => `writer ${WRITER}: event ${sequence}`

describe('the verifier of a chain', () => {
  const events = makeEvents(50)

  it('finds nothing in a chain as it was written', () => {
    assert.deepEqual(problems(events), [])
  })

  it('names an event whose data was altered, and only that', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 49 }), i => {
        assert.deepEqual(problems(events.with(i, alter(events[i]!))), [`${at(i + 1)} was altered`])
      }),
    )
  })

  it('names an event whose subject, time or type was altered', () => {
    const [first] = events
    for (const change of [{ subject: 'x' }, { time: '2026-01-01T00:00:00.000Z' }, { type: 'other.thing.v1' }])
      assert.deepEqual(problems(events.with(0, { ...first!, ...change })), [`${at(1)} was altered`])
  })

  it('names deleted events', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 8 }), (start, count) => {
        const rest = events.toSpliced(start, count)
        const gone =
          count === 1
            ? `${at(start + 1)} is gone`
            : `writer ${WRITER}: events ${start + 1} to ${start + count} are gone`
        assert.deepEqual(problems(rest), [gone])
      }),
    )
  })

  it('names two events that changed places, with the places that they had', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 8 }), (i, distance) => {
        const j = i + distance
        const [a, b] = [events[i]!, events[j]!]
        const swapped = events.with(i, { ...b, sequence: a.sequence }).with(j, { ...a, sequence: b.sequence })
        assert.deepEqual(
          problems(swapped).sort(),
          [
            `${at(b.sequence)} was moved to place ${a.sequence}`,
            `${at(a.sequence)} was moved to place ${b.sequence}`,
          ].sort(),
        )
      }),
    )
  })

  it('does not find that a whole chain was computed anew, unless a checkpoint knows better', () => {
    const forged: SluiceEvent[] = []
    let chain = genesis(WRITER)
    for (const event of events) {
      const changed = event.sequence === 7 ? alter(event) : event
      chain = link(chain, digestOf(changed))
      forged.push({ ...changed, chain })
    }
    assert.deepEqual(problems(forged), [])
    const { sequence, chain: known } = events[20]!
    assert.deepEqual(problems(forged, { checkpoints: [{ writer: WRITER, sequence, chain: known }] }), [
      `writer ${WRITER}: the chain up to event 21 is not the one of its checkpoint`,
    ])
  })

  it('names events that are gone from the end, where a checkpoint knows of them', () => {
    const { sequence, chain } = events[49]!
    assert.deepEqual(problems(events.slice(0, 45), { checkpoints: [{ writer: WRITER, sequence, chain }] }), [
      `writer ${WRITER}: events 46 to 50 are gone`,
    ])
  })

  it('goes on from where retention has cut', () => {
    const { sequence, chain } = events[9]!
    const start = { writer: WRITER, sequence, chain }
    assert.deepEqual(problems(events.slice(10), { start }), [])
    assert.deepEqual(problems(events.slice(11), { start }), [`${at(11)} is gone`])
  })

  it('follows an event that is stored elsewhere by its digest', () => {
    const verifier = new ChainVerifier(WRITER)
    for (const event of events)
      verifier.add(
        event.sequence === 5
          ? { sequence: 5, chain: undefined, content: { digest: digestOf(event) } }
          : { sequence: event.sequence, chain: event.chain, content: event },
      )
    assert.deepEqual(verifier.finish().problems, [])
  })
})
