/**
 * Takes the spans of the plugin server (OTLP/HTTP JSON) and shows them as trees: `make traces`. It keeps the latest few
 * megabytes in a file; SLUICE_OTLP_URL leads them to a collector of one's own instead.
 */

import { once } from 'node:events'
import { appendFileSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { groupBy } from '../../../foundation/group-by.ts'
import { privateFolder } from './state.ts'

/** Of one file; the one before it is kept, too. */
const MAX_FILE_BYTES = 4 * 1024 * 1024
/** More than the plugin server ever sends at once. */
const MAX_BODY_BYTES = 16 * 1024 * 1024
const SHOWN = 5
const KINDS: Readonly<Record<number, string>> = { 2: 'request', 3: 'try' }

/** What is read of a span of OTLP. */
export interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[]
}

interface Export {
  readonly resourceSpans: readonly { readonly scopeSpans: readonly { readonly spans: readonly Span[] }[] }[]
}

const files = () => {
  const file = path.join(privateFolder('log'), 'traces.jsonl')
  return { file, before: `${file}.1` }
}

/** Listens on a free port of the loopback as long as this process runs. @returns the URL for SLUICE_OTLP_URL */
export async function startTraceStore(): Promise<string> {
  const { file, before } = files()
  for (const old of [file, before]) rmSync(old, { force: true })
  const server = createServer(async (request, response) => {
    try {
      const { resourceSpans } = JSON.parse(await bodyOf(request)) as Export
      const spans = resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(scope => scope.spans))
      appendFileSync(file, spans.map(span => `${JSON.stringify(span)}\n`).join(''), { mode: 0o600 })
      if (statSync(file).size > MAX_FILE_BYTES) renameSync(file, before)
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    } catch (error) {
      response.writeHead(400).end(String(error))
    }
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) throw new Error('too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** Prints the latest traces, the newest last; TRACE=ID one of them. */
export function traces(print: (line: string) => void): void {
  const { file, before } = files()
  const spans = [before, file].flatMap(readSpans)
  const { TRACE: id } = process.env
  const lines = traceLines(id ? spans.filter(({ traceId }) => traceId === id) : spans, SHOWN)
  if (lines.length === 0)
    print(id ? `no span of ${id}` : 'no trace yet: they are written about a second after a request')
  for (const line of lines) print(line)
}

function readSpans(file: string): Span[] {
  try {
    // Its last line may be half written.
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
    return lines.map(line => JSON.parse(line) as Span)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** The traces that began last, as indented lines: what, when since the begin of its trace, and how long. */
export function traceLines(spans: readonly Span[], count: number): string[] {
  const traces = groupBy(spans, span => span.traceId)
  const starting = [...traces.values()].sort((a, b) => startOf(a) - startOf(b))
  return starting.slice(-count).flatMap(trace => [`trace ${trace[0]?.traceId}`, ...treeOf(trace), ''])
}

const startOf = (trace: readonly Span[]) => Math.min(...trace.map(span => millis(span.startTimeUnixNano)))

function treeOf(trace: readonly Span[]): string[] {
  const began = startOf(trace)
  const known = new Set(trace.map(({ spanId }) => spanId))
  const ordered = [...trace].sort((a, b) => millis(a.startTimeUnixNano) - millis(b.startTimeUnixNano))
  const below = (parent: string | undefined, depth: number): string[] =>
    ordered
      // A client's own span, which is not here, is the parent of the first.
      .filter(({ parentSpanId: id }) => (id !== undefined && known.has(id) ? id : undefined) === parent)
      .flatMap(span => [lineOf(span, began, depth), ...below(span.spanId, depth + 1)])
  return below(undefined, 1)
}

function lineOf(span: Span, began: number, depth: number): string {
  const start = millis(span.startTimeUnixNano)
  const tookMs = millis(span.endTimeUnixNano) - start
  const attribute = (key: string) =>
    Object.values(span.attributes.find(one => one.key === key)?.value ?? {})[0]
  const details = [
    KINDS[span.kind],
    attribute('url.path'),
    [attribute('server.address'), attribute('server.port')].filter(Boolean).join(':'),
    attribute('http.response.status_code'),
  ]
  const what = `${'  '.repeat(depth)}${span.name}`
  const time = `${(start - began).toFixed(1).padStart(8)} ms +${tookMs.toFixed(1).padStart(8)} ms`
  return `${what.padEnd(44)}${time}  ${details.filter(Boolean).join(' ')}`.trimEnd()
}

/** Fractions of a microsecond are lost, which nobody reads. */
const millis = (nanos: string) => Number(BigInt(nanos) / 1_000n) / 1_000
