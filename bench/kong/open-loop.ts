/**
 * Load at a fixed rate that does not wait for answers: every request has the moment at which it is due, and its latency
 * counts from there, also where it had to wait for a connection or for this process. A generator that sends the next
 * request when the last one was answered leaves out just those that waited longest (coordinated omission).
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'

export interface OpenLoad {
  readonly port: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly perSecond: number
  readonly seconds: number
  /** At the beginning, and not counted. */
  readonly warmSeconds: number
  readonly connections: number
}

export interface OpenResult {
  /** Milliseconds from when each was due to the end of its answer, ascending. */
  readonly latenciesMs: Float64Array
  /** How late the generator itself was, 99th percentile: what is not to be held against the server. */
  readonly latenessP99Ms: number
  /** Answers that were not 2xx. */
  readonly others: number
}

/** Between two looks at what is due. Timers of Node are precise to a millisecond or two, a waiting thread to 0.1. */
const BEAT_MS = 0.25
/** The thread has begun to beat by then. */
const START_IN_MS = 100
const BEATER = `
  const { parentPort, workerData } = require('node:worker_threads')
  const never = new Int32Array(new SharedArrayBuffer(4))
  for (;;) {
    Atomics.wait(never, 0, 0, workerData)
    parentPort.postMessage(0)
  }`

/** @throws where a connection breaks. */
export async function openLoad(load: OpenLoad): Promise<OpenResult> {
  const generator = new Generator(load)
  await generator.open()
  try {
    await generator.run()
    return generator.result()
  } finally {
    generator.close()
  }
}

class Generator {
  readonly #load: OpenLoad
  readonly #request: string
  readonly #latenciesMs: Float64Array
  readonly #latenessMs: Float64Array
  #lanes: readonly Lane[] = []
  readonly #free: Lane[] = []
  readonly #waiting: number[] = []
  #startMs = 0
  #sent = 0
  #answered = 0
  #others = 0
  #failed: Error | undefined

  constructor(load: OpenLoad) {
    const count = Math.floor(load.perSecond * (load.warmSeconds + load.seconds))
    this.#load = load
    this.#request = requestOf(load)
    this.#latenciesMs = new Float64Array(count)
    this.#latenessMs = new Float64Array(count)
  }

  async open(): Promise<void> {
    const { port, connections } = this.#load
    this.#lanes = await Promise.all(
      Array.from({ length: connections }, () => openLane(port, this.#answer, this.#closed)),
    )
    this.#free.push(...this.#lanes)
  }

  /** Sends what is due, beat by beat, until all is answered. */
  async run(): Promise<void> {
    const beater = new Worker(BEATER, { eval: true, workerData: BEAT_MS })
    this.#startMs = performance.now() + START_IN_MS
    await new Promise<void>(resolve => {
      beater.on('message', () => {
        this.#sendDue()
        if (this.#answered === this.#latenciesMs.length || this.#failed) resolve()
      })
    })
    await beater.terminate()
    if (this.#failed) throw this.#failed
  }

  result(): OpenResult {
    const skipped = Math.floor(this.#load.perSecond * this.#load.warmSeconds)
    return {
      latenciesMs: this.#latenciesMs.subarray(skipped).sort(),
      latenessP99Ms: quantile(this.#latenessMs.subarray(skipped).sort(), 0.99),
      others: this.#others,
    }
  }

  close(): void {
    for (const { socket } of this.#lanes) socket.destroy()
  }

  #dueMs(index: number): number {
    return this.#startMs + (index * 1000) / this.#load.perSecond
  }

  #sendDue(): void {
    for (; this.#sent < this.#latenessMs.length; this.#sent++) {
      const lateMs = performance.now() - this.#dueMs(this.#sent)
      if (lateMs < 0) return
      this.#latenessMs[this.#sent] = lateMs
      const lane = this.#free.pop()
      if (lane) lane.send(this.#sent, this.#request)
      else this.#waiting.push(this.#sent)
    }
  }

  readonly #answer = (lane: Lane, index: number, status: number): void => {
    this.#latenciesMs[index] = performance.now() - this.#dueMs(index)
    if (status < 200 || status > 299) this.#others++
    this.#answered++
    const next = this.#waiting.shift()
    if (next === undefined) this.#free.push(lane)
    else lane.send(next, this.#request)
  }

  readonly #closed = (): void => {
    if (this.#answered < this.#latenciesMs.length) this.#failed ??= new Error('a connection was closed')
  }
}

/** @param ascending not empty */
export const quantile = (ascending: Float64Array, share: number): number =>
  ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))] ?? Number.NaN

function requestOf({ port, path, headers }: OpenLoad): string {
  const lines = Object.entries({ host: `127.0.0.1:${port}`, ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  return `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`
}

interface Lane {
  readonly socket: Socket
  send(index: number, request: string): void
}

/** A connection with one request at a time. */
async function openLane(
  port: number,
  done: (lane: Lane, index: number, status: number) => void,
  closed: () => void,
): Promise<Lane> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  let current = 0
  let text = ''
  const lane: Lane = {
    socket,
    send(index, request) {
      current = index
      socket.write(request)
    },
  }
  socket.setEncoding('latin1')
  socket.on('error', () => {})
  socket.on('close', closed)
  socket.on('data', (chunk: string) => {
    text += chunk
    const head = text.indexOf('\r\n\r\n')
    if (head < 0) return
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text.slice(0, head))?.[1] ?? 0)
    if (text.length < head + 4 + length) return
    const status = Number(text.slice(9, 12))
    text = ''
    done(lane, current, status)
  })
  return lane
}
