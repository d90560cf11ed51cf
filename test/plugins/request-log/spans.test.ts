import assert from 'node:assert/strict'
import type { RequestLogConfig } from '../../../plugins/request-log/config.ts'
import { requestLine } from '../../../plugins/request-log/line.ts'
import { createRandomHex } from '../../../plugins/request-log/random-hex.ts'
import { type OtlpSpan, type PluginTime, spansOf } from '../../../plugins/request-log/spans.ts'

const CONFIG: RequestLogConfig = {
  ...{ lines: true, sample: 1, slow_ms: 1_000, trace: true, trace_sample: 1 },
  ...{ key_names: ['apikey'], path: 'masked', anonymize_ip: false },
}
const START = 1_800_000_000_000
const SPAN = {
  traceId: 'a'.repeat(32),
  spanId: 'b'.repeat(16),
  flags: 1,
  parentId: undefined,
  isForeign: false,
}

/** @param log beside what every request has. */
function spans(log: object, plugins?: PluginTime): readonly OtlpSpan[] {
  const whole = {
    ...{ started_at: START, latencies: { request: 50 }, response: { status: 200 } },
    request: { method: 'GET', uri: '/words', url: 'http://kong/words', headers: {} },
    ...log,
  }
  const line = requestLine(whole as never, CONFIG, SPAN)
  return spansOf({ log: whole as never, span: SPAN, line, plugins }, createRandomHex())
}
const attribute = ({ attributes }: OtlpSpan, name: string) => {
  const value = attributes.find(({ key }) => key === name)?.value
  return value && Object.values(value)[0]
}
const isError = ({ status }: OtlpSpan) => status?.code === 2

describe('the spans of a request', () => {
  it('have times to the nanosecond, and none ends before it began', () => {
    const [request, access] = spans({}, { startMs: START + 1.000_25, endMs: START + 0.5 })
    assert.equal(request?.startTimeUnixNano, `${START}000000`)
    assert.equal(request?.endTimeUnixNano, `${START + 50}000000`)
    assert.match(String(access?.startTimeUnixNano), new RegExp(`^${START + 1}000\\d{3}$`))
    assert.equal(access?.endTimeUnixNano, access?.startTimeUnixNano)
  })

  it('are one a try, each failed but the last, which is as the answer is', () => {
    const tries = [
      { balancer_start: START + 1, ip: '10.0.0.1', port: 80, state: 'failed', code: 502 },
      { balancer_start: START + 9, ip: '10.0.0.2', port: 80 },
    ]
    const [request, first, second, ...more] = spans({ tries, source: 'upstream' })
    assert.ok(request && first && second && more.length === 0)
    assert.deepEqual([request, first, second].map(isError), [false, true, false])
    assert.equal(first.endTimeUnixNano, second.startTimeUnixNano)
    assert.equal(second.endTimeUnixNano, request.endTimeUnixNano)
    const resends = [first, second].map(span => attribute(span, 'http.request.resend_count'))
    assert.deepEqual(resends, [undefined, '1'])
    const codes = [first, second].map(span => attribute(span, 'http.response.status_code'))
    assert.deepEqual(codes, ['502', '200'])
  })

  for (const [what, log] of [
    ['5xx', { response: { status: 503 }, tries: [{ balancer_start: START }], source: 'upstream' }],
    [
      'no answer of the service',
      { response: { status: 404 }, tries: [{ balancer_start: START, state: 'failed' }], source: 'kong' },
    ],
  ] as const)
    it(`are errors for ${what}`, () => {
      assert.deepEqual(spans(log).map(isError), [true, true])
    })
})

describe('random digits', () => {
  it('are as many as are asked for, also at the end of what was drawn at once', () => {
    const randomHex = createRandomHex()
    for (let n = 0; n < 3_000; n++) assert.match(randomHex(7), /^[0-9a-f]{14}$/)
  })
})
