import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import {
  answeredSpan,
  beginTrace,
  createSpanId,
  formatTraceparent,
  isOwnSpan,
  isSampled,
  parseTraceparent,
} from '../../sdk/trace-context.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'
const randomHex = (bytes: number) => randomBytes(bytes).toString('hex')

describe('traceparent', () => {
  it('is read as the recommendation has it', () => {
    assert.deepEqual(parseTraceparent(`00-${TRACE}-${SPAN}-01`), { traceId: TRACE, spanId: SPAN, flags: 1 })
    assert.deepEqual(parseTraceparent(`00-${TRACE}-${SPAN}-00`), { traceId: TRACE, spanId: SPAN, flags: 0 })
    // A later version may say more, and flags that are not known are not passed on.
    assert.deepEqual(parseTraceparent(`cc-${TRACE}-${SPAN}-fd-more`), {
      traceId: TRACE,
      spanId: SPAN,
      flags: 1,
    })
  })

  // From the validation suite of the W3C (trace-context/test/test.py).
  const invalid = [
    undefined,
    '',
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01-more`,
    `00-${TRACE}-${SPAN}-01.`,
    `0-${TRACE}-${SPAN}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE}-${SPAN}-1`,
    `00-${TRACE}-${SPAN}-0x`,
    `00-${TRACE.slice(1)}-${SPAN}-01`,
    `00-${TRACE}x-${SPAN}-01`,
    ` 00-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`,
  ]
  for (const text of invalid)
    it(`is invalid as ${JSON.stringify(text)}`, () => assert.equal(parseTraceparent(text), undefined))

  it('is written as it is read, whatever its ids', () => {
    const hex = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length - 1}}[1-9a-f]$`))
    fc.assert(
      fc.property(hex(32), hex(16), fc.integer({ min: 0, max: 3 }), (traceId, spanId, flags) => {
        const context = { traceId, spanId, flags }
        assert.deepEqual(parseTraceparent(formatTraceparent(context)), context)
      }),
    )
  })
})

describe('a span of ours', () => {
  it('is known by its id, and one of others is not', () => {
    for (let n = 0; n < 200; n++) {
      const { traceId } = beginTrace(1, randomHex)
      assert.ok(isOwnSpan({ traceId, spanId: createSpanId(traceId, randomHex), flags: 1 }))
      assert.ok(!isOwnSpan({ traceId, spanId: randomHex(8), flags: 1 }))
    }
  })

  it('is recorded in the share of new traces that is asked for', () => {
    const recorded = (share: number) =>
      Array.from({ length: 4_000 }, () => beginTrace(share, randomHex)).filter(isSampled).length
    assert.equal(recorded(0), 0)
    assert.equal(recorded(1), 4_000)
    // Ten standard deviations to either side.
    assert.ok(Math.abs(recorded(0.25) - 1_000) < 280)
  })
})

describe('the span of a request that a plugin has answered', () => {
  const sent = { traceId: TRACE, spanId: SPAN, flags: 0 }
  const id = '3b65d633fed1e2099fe15257b7258b31'

  it('is the same for whoever knows the id of the request, and is taken for none of the access phase', () => {
    const span = answeredSpan(id, undefined)
    assert.deepEqual(answeredSpan(id, undefined), span)
    assert.ok(span && parseTraceparent(formatTraceparent(span)))
    assert.deepEqual([span.traceId, span.flags, isOwnSpan(span)], [id, 1, false])
    assert.notEqual(answeredSpan(`${id.slice(1)}0`, undefined)?.spanId, span.spanId)
  })

  it('belongs to the trace of the client, as the client decided', () => {
    const span = answeredSpan(id, sent)
    assert.deepEqual([span?.traceId, span?.flags], [TRACE, 0])
    assert.notEqual(span?.spanId, SPAN)
  })

  it('is not there where the id of the request can be no trace’s', () => {
    for (const wrong of [undefined, '', '0'.repeat(32), id.slice(1), id.toUpperCase()])
      assert.equal(answeredSpan(wrong, sent), undefined)
  })
})
