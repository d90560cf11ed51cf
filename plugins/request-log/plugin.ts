import {
  BoundedMap,
  type Closeable,
  createLogEventCounter,
  definePlugin,
  type Host,
  type LogKong,
  type PhaseContext,
  type SharedContext,
  systemTimers,
  Type,
} from '../../sdk/sdk.ts'
import { isSampled, type RandomHex } from '../../sdk/trace-context.ts'
import { RequestLogConfig } from './config.ts'
import { REQUEST_LOG_EVENTS } from './events.ts'
import { SpanExporter, type SpanOutcome } from './exporter.ts'
import { RequestFigures } from './figures.ts'
import { isChosen, isRemarkable, lineText, requestLine } from './line.ts'
import { type Output, openOutput } from './output.ts'
import { createRandomHex } from './random-hex.ts'
import { type PluginTime, spansOf } from './spans.ts'
import { type RequestSpan, TRACEPARENT, Tracing } from './tracing.ts'

/** Requests under way whose plugins' time is kept for their log events. */
const TIMES_KEPT = 10_000

const settings = Type.Object({
  file: Type.Optional(
    Type.String({
      env: 'SLUICE_REQUEST_LOG_FILE',
      minLength: 1,
      description: 'file of the lines; unset: standard output',
    }),
  ),
  maxBytes: Type.Integer({
    env: 'SLUICE_REQUEST_LOG_MAX_BYTES',
    default: 104_857_600,
    minimum: 65_536,
    description: 'size at which the file is rotated, bytes',
  }),
  keep: Type.Integer({
    env: 'SLUICE_REQUEST_LOG_KEEP',
    default: 5,
    minimum: 1,
    maximum: 1_000,
    description: 'rotated files that are kept',
  }),
  otlpUrl: Type.Optional(
    Type.String({
      env: 'SLUICE_OTLP_URL',
      pattern: '^https?://',
      description: 'collector of traces, http://host:4318; unset: no traces',
    }),
  ),
  otlpHeaders: Type.Optional(
    Type.String({
      env: 'SLUICE_OTLP_HEADERS',
      secret: true,
      pattern: '^[^=,]+=[^,]*(,[^=,]+=[^,]*)*$',
      description: 'headers for the collector: name=value,name=value',
    }),
  ),
})

interface Settings {
  readonly file?: string
  readonly maxBytes: number
  readonly keep: number
  readonly otlpUrl?: string
  readonly otlpHeaders?: string
}

interface Memory extends Closeable {
  readonly host: Host<Settings>
  readonly figures: RequestFigures
  readonly countLogEvent: ReturnType<typeof createLogEventCounter>
  /** Opened by the first line: most processes that load the plugin never write one. */
  readonly output: () => Output
  readonly countLine: (outcome: 'written' | 'left-out' | 'dropped') => void
  readonly exporter: SpanExporter | undefined
  readonly randomHex: RandomHex
  /** When our plugins ran, by span. */
  readonly times: BoundedMap<PluginTime>
}

interface Instance {
  /** Undefined where it takes no part in traces. */
  readonly tracing: Tracing | undefined
}

type Context = PhaseContext<RequestLogConfig, Memory, Instance>

/** Every request as a line, as metrics and as spans. It asks Kong one question, in the log phase, and one for a trace. */
export const plugin = definePlugin({
  name: 'request-log',
  version: '0.1.0',
  priority: 2,
  onError: 'open',
  config: RequestLogConfig,
  settings,
  events: REQUEST_LOG_EVENTS,
  needs: {
    access: ({ instance }: SharedContext<RequestLogConfig, Memory, Instance>) =>
      instance.tracing ? [['request.getHeader', TRACEPARENT]] : [],
    log: ['log.serialize'],
  },
  endsLogFirst: true,
  memory: createMemory,
  instance: (config, { memory, host }): Instance => ({
    tracing:
      config.trace && memory.exporter
        ? new Tracing({ randomHex: memory.randomHex, now: () => host.clock.monotonic() })
        : undefined,
  }),
  phases: {
    async access(kong, { config, instance, memory, elapsedMs }: Context) {
      const spanId = await instance.tracing?.begin(kong, config.trace_sample)
      if (spanId === undefined) return
      const endMs = memory.host.clock.now()
      memory.times.set(spanId, { startMs: endMs - elapsedMs(), endMs })
    },
    async log(kong, context: Context) {
      report(await kong.log.serialize(), context)
    },
  },
})

function createMemory(host: Host<Settings>): Memory {
  const lines = host.metrics.counter('sluice_request_log_lines_total', 'lines of the request log', [
    'outcome',
  ])
  const bound = {
    written: lines.with({ outcome: 'written' }),
    'left-out': lines.with({ outcome: 'left-out' }),
    dropped: lines.with({ outcome: 'dropped' }),
  }
  const countLine: Memory['countLine'] = outcome => bound[outcome].add()
  let output: Output | undefined
  const { file, maxBytes, keep } = host.settings
  const exporter = createExporter(host)
  return {
    host,
    figures: new RequestFigures(host.metrics),
    countLogEvent: createLogEventCounter(host.metrics, 'request-log'),
    output: () => {
      output ??= openOutput({
        file,
        maxBytes,
        keep,
        onFault: reason => noteFault(host, 'lines', reason),
      })
      return output
    },
    countLine,
    exporter,
    randomHex: createRandomHex(),
    times: new BoundedMap(TIMES_KEPT),
    async close() {
      await Promise.all([output?.close(), exporter?.close()])
    },
  }
}

function createExporter(host: Host<Settings>): SpanExporter | undefined {
  const { otlpUrl, otlpHeaders } = host.settings
  if (otlpUrl === undefined) return undefined
  const spans = host.metrics.counter('sluice_trace_spans_total', 'spans for the collector', ['outcome'])
  const bound: Readonly<Record<SpanOutcome, ReturnType<typeof spans.with>>> = {
    exported: spans.with({ outcome: 'exported' }),
    dropped: spans.with({ outcome: 'dropped' }),
    refused: spans.with({ outcome: 'refused' }),
  }
  return new SpanExporter({
    url: tracesUrl(otlpUrl),
    headers: readHeaders(otlpHeaders),
    node: host.node,
    fetch: host.fetch,
    timers: systemTimers,
    log: host.log,
    count: (outcome, amount) => bound[outcome].add(amount),
    onFault: reason => noteFault(host, 'spans', reason),
  })
}

/** As OpenTelemetry reads OTEL_EXPORTER_OTLP_ENDPOINT: the signal's path is added. */
const tracesUrl = (base: string) =>
  /\/v1\/traces\/?$/.test(base) ? base : `${base.replace(/\/$/, '')}/v1/traces`

const readHeaders = (text = ''): Record<string, string> =>
  Object.fromEntries(
    text
      .split(',')
      .filter(Boolean)
      .map(pair => {
        const equals = pair.indexOf('=')
        return [pair.slice(0, equals).trim(), pair.slice(equals + 1).trim()]
      }),
  )

function noteFault(
  { log, events }: Host<Settings>,
  part: 'lines' | 'spans',
  reason: string | undefined,
): void {
  const degraded = reason !== undefined
  const text = degraded
    ? `${part} of requests cannot be delivered`
    : `${part} of requests are delivered again`
  log.warn({ reason }, text)
  void events.publish({
    type: 'request-log.degraded.v1',
    subject: `request-log/${part}`,
    data: { part, degraded, reason: reason ?? null },
  })
}

type Log = Awaited<ReturnType<LogKong['log']['serialize']>>

function report(log: Log, { config, memory, instance }: Context): void {
  memory.countLogEvent(log)
  // A connection that is no request.
  if (log.request === undefined) return
  memory.figures.add(log)
  const span = instance.tracing?.end(log)
  const isWritten = config.lines && (isRemarkable(log, config.slow_ms) || isChosen(log, config.sample))
  const isTraced = span !== undefined && !span.isForeign && isSampled(span)
  if (config.lines && !isWritten) memory.countLine('left-out')
  if (!isWritten && !isTraced) return
  const line = requestLine(log, config, span)
  if (isWritten) {
    const isTaken = memory.output().write(lineText(line))
    memory.countLine(isTaken ? 'written' : 'dropped')
  }
  if (isTraced)
    memory.exporter?.add(spansOf({ log, span, line, plugins: timeOf(span, memory) }, memory.randomHex))
}

const timeOf = (span: RequestSpan, { times }: Memory): PluginTime | undefined => times.get(span.spanId)
