import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from '../../foundation/typebox.ts'
import type { Authenticate } from '../http/access.ts'
import { Problem } from '../http/problem.ts'
import type { App, Module, Parts } from '../module.ts'
import { authenticateBy } from '../operators/authenticate.ts'
import { EventStream } from './event-stream.ts'
import { TypeFilter } from './type-filter.ts'

const BEAT_MS = 5_000
const RECONNECT_MS = 1_000
const MOST_STREAMS = 500

const Query = Type.Object({
  type: Type.Optional(
    Type.String({ description: 'only these types: names, or beginnings with `*`, comma-separated' }),
  ),
})

/** Events as they happen. */
export const eventRoutes: Module = (app, parts) => {
  const streams = new Streams(parts)
  streams.register(app)
}

class Streams {
  readonly #parts: Parts
  readonly #authenticate: Authenticate
  readonly #open = new Map<EventStream, FastifyRequest>()
  /** Streams that are about to open. */
  #beginning = 0
  #isAsking = false

  constructor(parts: Parts) {
    this.#parts = parts
    this.#authenticate = authenticateBy(parts.access)
  }

  register(app: App): void {
    const stop = this.#parts.timers.every(BEAT_MS, () => void this.#beat())
    app.addHook('preClose', async () => {
      stop()
      for (const stream of this.#open.keys()) stream.end()
    })
    app.get(
      '/v1/events',
      {
        // It would never end.
        exposeHeadRoute: false,
        config: { access: 'viewer' },
        schema: {
          tags: ['events'],
          summary: 'Events as they happen (Server-Sent Events)',
          querystring: Query,
          produces: ['text/event-stream'],
        },
      },
      (request, reply) => this.#stream(request, reply, request.query.type ?? ''),
    )
  }

  async #stream(request: FastifyRequest, reply: FastifyReply, types: string): Promise<void> {
    const filter = TypeFilter.parse(types)
    if (!filter) {
      const detail =
        'type: must be names of types, or beginnings with `*`, such as `circuit.*,qos.rejected.v1`'
      throw new Problem('SLUICE_MANAGER_MALFORMED', detail, {
        faults: [{ pointer: '?type', code: 'type', detail }],
      })
    }
    if (this.#open.size + this.#beginning >= MOST_STREAMS)
      throw new Problem('SLUICE_MANAGER_TOO_MANY', `${MOST_STREAMS} streams are open here already`, {
        headers: { 'retry-after': '10' },
      })
    const { feed } = this.#parts.live
    const last = request.headers['last-event-id']
    this.#beginning++
    // It never rejects.
    const begin = await feed.begin(typeof last === 'string' && last !== '' ? last : undefined, filter)
    this.#beginning--
    const { raw } = reply
    reply.hijack()
    if (raw.destroyed) return
    raw.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // nginx would hold the stream back.
      'x-accel-buffering': 'no',
    })
    raw.write(`retry: ${RECONNECT_MS}\n\n`)
    const stream = new EventStream(feed, filter, raw)
    this.#open.set(stream, request)
    raw.on('close', () => this.#open.delete(stream))
    await stream.start(begin)
  }

  /** Whoever may not listen any more does not go on listening. No heartbeat waits for PostgreSQL, which is asked that. */
  async #beat(): Promise<void> {
    for (const stream of this.#open.keys()) stream.beat()
    if (this.#isAsking) return
    this.#isAsking = true
    for (const [stream, request] of this.#open) if (!(await this.#mayStill(request))) stream.end()
    this.#isAsking = false
  }

  async #mayStill(request: FastifyRequest): Promise<boolean> {
    try {
      await this.#authenticate(request)
      return true
    } catch (error) {
      // Where PostgreSQL is away, nobody is let in, and nobody is thrown out.
      return !(error instanceof Problem)
    }
  }
}
