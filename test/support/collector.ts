import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { makeFolder } from './folder.ts'
import { type ReceivedSpan, startOtlpReceiver } from './otlp-receiver.ts'
import { freePort } from './ports.ts'
import { until } from './until.ts'

export interface Collector {
  readonly name: string
  readonly url: string
  /** All that it has stored so far. */
  spans(): readonly ReceivedSpan[]
  close(): Promise<void>
}

/**
 * OpenTelemetry's own collector where `SLUICE_TEST_COLLECTOR` names its program (with the receiver `otlp` and the
 * exporter `file`); otherwise a receiver of the tests that holds each span against the protocol.
 */
export async function startCollector(): Promise<Collector> {
  const program = process.env.SLUICE_TEST_COLLECTOR
  if (program) return startProgram(program)
  const receiver = await startOtlpReceiver()
  return {
    name: 'a receiver of the tests',
    url: receiver.url,
    spans: () => receiver.spans,
    close: receiver.close,
  }
}

async function startProgram(program: string): Promise<Collector> {
  const folder = makeFolder()
  const port = await freePort()
  const stored = path.join(folder.path, 'spans.jsonl')
  const config = path.join(folder.path, 'collector.json')
  writeFileSync(
    config,
    JSON.stringify({
      receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${port}` } } } },
      exporters: { file: { path: stored, flush_interval: '200ms' } },
      service: {
        telemetry: { metrics: { level: 'none' } },
        pipelines: { traces: { receivers: ['otlp'], exporters: ['file'] } },
      },
    }),
  )
  const child = spawn(program, ['--config', config], { stdio: 'ignore' })
  await until('the collector listens', () => isListening(port))
  return {
    name: `the collector ${program}`,
    url: `http://127.0.0.1:${port}`,
    spans: () => readSpans(stored),
    async close() {
      await end(child)
      folder.remove()
    },
  }
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.destroy()
  return true
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

interface Stored {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly { readonly spans: readonly ReceivedSpan[] }[]
  }[]
}

function readSpans(file: string): ReceivedSpan[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return lines
    .flatMap(line => (JSON.parse(line) as Stored).resourceSpans)
    .flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
    .map(span => ({ ...span, ...(span.parentSpanId === '' && { parentSpanId: undefined }) }) as ReceivedSpan)
}
