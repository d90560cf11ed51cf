import assert from 'node:assert/strict'
import { type Span, traceLines } from '../../../../ops/local/up/traces.ts'

const span = (more: Partial<Span> & { startMs: number; tookMs: number }): Span => ({
  traceId: 'a',
  spanId: 'root',
  name: 'GET products',
  kind: 2,
  attributes: [],
  startTimeUnixNano: `${1_700_000_000_000 + more.startMs}000000`,
  endTimeUnixNano: `${1_700_000_000_000 + more.startMs + more.tookMs}000000`,
  ...more,
})

describe('traces, as a person reads them', () => {
  it('are trees in the order of time, each span with its begin and its duration', () => {
    const attributes = [
      { key: 'server.address', value: { stringValue: '127.0.0.1' } },
      { key: 'server.port', value: { intValue: '9570' } },
      { key: 'http.response.status_code', value: { intValue: '200' } },
    ]
    const lines = traceLines(
      [
        span({
          spanId: 'try',
          parentSpanId: 'root',
          name: 'GET',
          kind: 3,
          startMs: 4,
          tookMs: 5,
          attributes,
        }),
        span({
          spanId: 'plugins',
          parentSpanId: 'root',
          name: 'sluice access',
          kind: 1,
          startMs: 1,
          tookMs: 2,
        }),
        // Its parent is a span of the client, which nobody has sent here.
        span({ parentSpanId: 'client', startMs: 0, tookMs: 10 }),
      ],
      5,
    )
    assert.deepEqual(
      lines.map(line => line.replace(/ +/g, ' ').trim()),
      [
        'trace a',
        'GET products 0.0 ms + 10.0 ms request',
        'sluice access 1.0 ms + 2.0 ms',
        'GET 4.0 ms + 5.0 ms try 127.0.0.1:9570 200',
        '',
      ],
    )
    assert.deepEqual(
      lines.map(line => line.search(/\S/)),
      [0, 2, 4, 4, -1],
    )
  })

  it('are the latest ones, the newest last', () => {
    const spans = [3, 1, 2].map(n => span({ traceId: `t${n}`, startMs: n, tookMs: 1 }))
    const shown = traceLines(spans, 2).filter(line => line.startsWith('trace'))
    assert.deepEqual(shown, ['trace t2', 'trace t3'])
  })
})
