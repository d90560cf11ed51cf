import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Tracing } from '../../../plugins/request-log/tracing.ts'
import type { AccessKong } from '../../../sdk/sdk.ts'
import { formatTraceparent, isOwnSpan, parseTraceparent } from '../../../sdk/trace-context.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const PARENT = 'b7ad6b7169203331'
const randomHex = (bytes: number) => randomBytes(bytes).toString('hex')

/** Kong in the access phase, as far as tracing asks it. */
function createKong(received?: string) {
  const headers: Record<string, string | undefined> = { traceparent: received }
  const marks: unknown[] = []
  let routeReads = 0
  const kong = {
    request: { getHeader: async (name: string) => headers[name] },
    router: {
      getRoute: async () => {
        routeReads++
        return { id: 'r1' }
      },
    },
    service: {
      request: {
        setHeader: (name: string, value: string) => {
          headers[name] = value
        },
        clearHeader: (name: string) => delete headers[name],
      },
    },
    log: { setSerializeValue: (_: string, value: unknown) => marks.push(value) },
  }
  return {
    kong: kong as unknown as AccessKong,
    headers,
    marks,
    get routeReads() {
      return routeReads
    },
    /** The log data of the request, where Kong's plugin opentelemetry runs or not. */
    log: (kongTrace?: string) => ({
      request: {
        id: TRACE,
        method: 'GET',
        uri: '/',
        url: '/',
        querystring: {},
        size: 0,
        headers: {
          traceparent: kongTrace
            ? formatTraceparent({ traceId: kongTrace, spanId: PARENT, flags: 1 })
            : String(headers.traceparent),
        },
      },
      route: { id: 'r1' },
      sluice: { trace: marks.at(-1) },
      ...(kongTrace !== undefined && { trace_id: { w3c: kongTrace } }),
    }),
  }
}

describe('tracing', () => {
  const create = () => {
    let now = 0
    const tracing = new Tracing({ randomHex, now: () => now })
    const advance = (ms: number) => {
      now += ms
    }
    return { tracing, advance }
  }

  it('marks the log data until it is known that nobody replaces its field, and where there is a parent', async () => {
    const { tracing } = create()
    const first = createKong()
    await tracing.begin(first.kong, 1)
    assert.equal(first.marks.length, 1)
    const span = tracing.end(first.log() as never)
    assert.deepEqual([span.isForeign, span.parentId], [false, undefined])
    const second = createKong()
    await tracing.begin(second.kong, 1)
    assert.equal(second.marks.length, 0)
    assert.ok(isOwnSpan(parseTraceparent(second.headers.traceparent)!))
    const third = createKong(`00-${TRACE}-${PARENT}-01`)
    await tracing.begin(third.kong, 1)
    assert.equal(tracing.end(third.log() as never).parentId, PARENT)
  })

  it('is passive on a route that Kong traces itself, and asks for the route only then', async () => {
    const { tracing, advance } = create()
    const first = createKong(`00-${TRACE}-${PARENT}-01`)
    const spanId = await tracing.begin(first.kong, 1)
    // Kong's spans have that one as their parent: it is recorded.
    const known = tracing.end(first.log(TRACE) as never)
    assert.deepEqual([known.spanId, known.parentId, known.isForeign], [spanId, PARENT, false])
    assert.equal(first.routeReads, 0)
    const second = createKong(`00-${TRACE}-${PARENT}-01`)
    assert.equal(await tracing.begin(second.kong, 1), undefined)
    assert.equal(second.headers.traceparent, `00-${TRACE}-${PARENT}-01`)
    assert.equal(second.routeReads, 1)
    const foreign = tracing.end(second.log(TRACE) as never)
    assert.deepEqual([foreign.traceId, foreign.isForeign], [TRACE, true])
    advance(600_001)
    assert.notEqual(await tracing.begin(createKong().kong, 1), undefined)
  })

  it('drops what vendors have noted with the trace that it does not go on with', async () => {
    const { tracing } = create()
    const noted = async (received: string) => {
      const { kong, headers } = createKong(received)
      headers.tracestate = 'a=b'
      await tracing.begin(kong, 1)
      return headers.tracestate
    }
    assert.equal(await noted(`00-${TRACE}-${PARENT}-01`), 'a=b')
    assert.equal(await noted(`00-${TRACE}-${'0'.repeat(16)}-01`), undefined)
  })

  it('knows a bounded number of routes that Kong traces itself, the last among them', async () => {
    const { tracing } = create()
    const log = createKong(`00-${TRACE}-${PARENT}-01`).log(TRACE)
    for (let n = 0; n <= 10_000; n++) tracing.end({ ...log, route: { id: `r${n}` } } as never)
    const isPassive = async (id: string) => {
      const { kong } = createKong()
      Object.assign(kong.router, { getRoute: async () => ({ id }) })
      return (await tracing.begin(kong, 1)) === undefined
    }
    assert.deepEqual([await isPassive('r0'), await isPassive('r10000')], [false, true])
  })

  it('learns nothing about routes from a request that met none', async () => {
    const { tracing } = create()
    const { log } = createKong(`00-${TRACE}-${PARENT}-01`)
    tracing.end({ ...log(TRACE), route: undefined } as never)
    const next = createKong()
    assert.notEqual(await tracing.begin(next.kong, 1), undefined)
    assert.equal(next.routeReads, 0)
  })

  it('gives a refused request a span though Kong’s id of it can be no trace’s', () => {
    const { tracing } = create()
    for (const id of [undefined, 'x', '0'.repeat(32)]) {
      const log = createKong().log()
      const of = (traceparent?: string) =>
        tracing.end({ ...log, request: { ...log.request, id, headers: { traceparent } } } as never)
      const begun = of()
      assert.match(begun.traceId, /^(?!0+$)[0-9a-f]{32}$/)
      assert.deepEqual([begun.spanId.length, begun.parentId, begun.isForeign], [16, undefined, false])
      const { traceId, parentId, flags } = of(`00-${TRACE}-${PARENT}-00`)
      assert.deepEqual([traceId, parentId, flags], [TRACE, PARENT, 0])
    }
  })

  it('names the trace of a request that was refused before it by the request’s id', () => {
    const { tracing } = create()
    const { log } = createKong()
    const span = tracing.end(log() as never)
    assert.deepEqual([span.traceId, span.parentId, span.isForeign], [TRACE, undefined, false])
  })
})
