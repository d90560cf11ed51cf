import assert from 'node:assert/strict'
import { SpanExporter, type SpanOutcome } from '../../../plugins/request-log/exporter.ts'
import type { OtlpSpan } from '../../../plugins/request-log/spans.ts'
import type { FetchAnswer, FetchOptions } from '../../../sdk/sdk.ts'

const span = (n: number): OtlpSpan => ({
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: n.toString(16).padStart(16, '0'),
  name: 'GET',
  kind: 2,
  startTimeUnixNano: '1800000000000000000',
  endTimeUnixNano: '1800000000000000000',
  attributes: [],
})
const settle = () => new Promise(resolve => setImmediate(resolve))

/** An exporter whose timer is called by the test, with a collector that answers as the test says. */
function create() {
  const counts: Record<SpanOutcome, number> = { exported: 0, dropped: 0, refused: 0 }
  const faults: (string | undefined)[] = []
  const bodies: { resourceSpans: { scopeSpans: { spans: unknown[] }[] }[] }[] = []
  let tick = () => {}
  const collector = { status: 200, calls: 0, read: 0, held: Promise.resolve() }
  const exporter = new SpanExporter({
    url: 'http://collector/v1/traces',
    headers: {},
    node: 'test',
    fetch: async (_, options: FetchOptions = {}) => {
      collector.calls++
      await collector.held
      if (collector.status === 0) throw new Error('refused')
      const text = async () => {
        collector.read++
        return ''
      }
      if (collector.status === 200) bodies.push(JSON.parse(String(options.body)))
      return { status: collector.status, ok: collector.status === 200, text } as FetchAnswer
    },
    timers: {
      after: () => () => {},
      every: (_, callback) => {
        tick = callback
        return () => {}
      },
    },
    log: { warn() {}, info() {} },
    count: (outcome, amount) => {
      counts[outcome] += amount
    },
    onFault: reason => faults.push(reason),
  })
  const ticks = async (times: number) => {
    for (let n = 0; n < times; n++) {
      tick()
      await settle()
    }
  }
  const sizes = () => bodies.map(body => body.resourceSpans[0]?.scopeSpans[0]?.spans.length)
  return { exporter, counts, faults, collector, ticks, sizes }
}

describe('the exporter of spans', () => {
  it('sends what has gathered once a second, and a full batch at once', async () => {
    const { exporter, counts, ticks, sizes } = create()
    exporter.add([span(1), span(2)])
    await settle()
    assert.deepEqual(sizes(), [])
    await ticks(1)
    assert.deepEqual(sizes(), [2])
    for (let n = 0; n < 600; n++) exporter.add([span(n)])
    await settle()
    assert.deepEqual(sizes(), [2, 512])
    await ticks(1)
    assert.deepEqual(counts, { exported: 602, dropped: 0, refused: 0 })
  })

  it('keeps what the collector does not take for now, drops what no longer fits, and asks less and less often', async () => {
    const { exporter, counts, faults, collector, ticks, sizes } = create()
    collector.status = 503
    for (let n = 0; n < 3_000; n++) exporter.add([span(n), span(n), span(n)])
    await ticks(100)
    assert.equal(counts.dropped, 9_000 - 8_190)
    assert.ok(collector.calls >= 4 && collector.calls <= 12, String(collector.calls))
    assert.deepEqual(faults, ['status 503'])
    collector.status = 200
    await ticks(40)
    assert.equal(counts.exported, 8_190)
    assert.ok(sizes().every(size => (size ?? 0) <= 512))
    assert.deepEqual(faults, ['status 503', undefined])
  })

  it('drops a batch that the collector refuses for good, and goes on with the next', async () => {
    const { exporter, counts, collector, ticks } = create()
    collector.status = 400
    exporter.add([span(1)])
    await ticks(1)
    assert.deepEqual(counts, { exported: 0, dropped: 0, refused: 1 })
    collector.status = 200
    exporter.add([span(2)])
    await ticks(5)
    assert.equal(counts.exported, 1)
  })

  it('asks nothing where there is nothing to send, and reads every answer', async () => {
    const { exporter, collector, ticks } = create()
    await ticks(3)
    assert.equal(collector.calls, 0)
    exporter.add([span(1)])
    await ticks(1)
    assert.deepEqual([collector.calls, collector.read], [1, 1])
  })

  for (const status of [429, 502, 503, 504])
    it(`sends again what the collector refused with ${status}, not at once for a full batch`, async () => {
      const { exporter, counts, collector, ticks } = create()
      collector.status = status
      exporter.add([span(1)])
      await ticks(1)
      for (let n = 0; n < 600; n++) exporter.add([span(n)])
      await settle()
      assert.equal(collector.calls, 1)
      collector.status = 200
      await ticks(3)
      assert.deepEqual(counts, { exported: 601, dropped: 0, refused: 0 })
    })

  it('asks a collector that is away for long every half minute', async () => {
    const { exporter, collector, ticks } = create()
    collector.status = 0
    exporter.add([span(1)])
    await ticks(200)
    const before = collector.calls
    await ticks(300)
    assert.equal(collector.calls - before, 10)
  })

  it('sends nothing twice when it ends while a batch is under way', async () => {
    const { exporter, counts, collector, ticks } = create()
    let release = () => {}
    collector.held = new Promise(resolve => {
      release = resolve
    })
    exporter.add([span(1)])
    await ticks(1)
    const ended = exporter.close()
    await settle()
    assert.equal(collector.calls, 1)
    release()
    await ended
    assert.deepEqual([collector.calls, counts.exported], [1, 1])
  })

  it('sends the rest when it ends, and waits for nobody who is away', async () => {
    const one = create()
    one.exporter.add([span(1)])
    await one.exporter.close()
    assert.equal(one.counts.exported, 1)
    const other = create()
    other.collector.status = 0
    other.exporter.add([span(1)])
    await other.exporter.close()
    assert.equal(other.counts.dropped, 1)
  })
})
