import type { Clock } from '../foundation/clock.ts'
import type { Timers } from '../foundation/timers.ts'

const START_MS = Date.UTC(2026, 0, 1)

interface Task {
  readonly atMs: number
  readonly order: number
  readonly act: () => unknown
}

/** Time that goes on only when nothing is left to do. */
export class VirtualTime implements Clock, Timers {
  nowMs = 0
  #tasks: Task[] = []
  #order = 0
  #isStopped = false

  now = () => START_MS + this.nowMs
  monotonic = () => this.nowMs
  after = (ms: number, callback: () => void) => {
    let isOn = true
    this.at(this.nowMs + ms, () => isOn && callback())
    return () => {
      isOn = false
    }
  }
  every = (ms: number, callback: () => void) => {
    let isOn = true
    const again = () => {
      if (!isOn || this.#isStopped) return
      callback()
      this.at(this.nowMs + ms, again)
    }
    this.at(this.nowMs + ms, again)
    return () => {
      isOn = false
    }
  }

  at(atMs: number, act: () => unknown): void {
    push(this.#tasks, { atMs, order: this.#order++, act })
  }

  async run(untilMs: number): Promise<void> {
    while (this.#tasks.length > 0 && this.#tasks[0]!.atMs <= untilMs) {
      const task = pop(this.#tasks)
      this.nowMs = Math.max(this.nowMs, task.atMs)
      task.act()
      await new Promise(resolve => setImmediate(resolve))
    }
    this.nowMs = untilMs
  }

  stop(): void {
    this.#isStopped = true
    this.#tasks = []
  }
}

const isBefore = (a: Task, b: Task) => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)

/** A binary heap, earliest first. */
function push(heap: Task[], task: Task): void {
  let i = heap.push(task) - 1
  while (i > 0) {
    const parent = (i - 1) >> 1
    if (!isBefore(task, heap[parent]!)) break
    heap[i] = heap[parent]!
    i = parent
  }
  heap[i] = task
}

function pop(heap: Task[]): Task {
  const top = heap[0]!
  const last = heap.pop()!
  if (heap.length === 0) return top
  let i = 0
  for (;;) {
    let child = 2 * i + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
    if (!isBefore(heap[child]!, last)) break
    heap[i] = heap[child]!
    i = child
  }
  heap[i] = last
  return top
}

/** mulberry32, so that a run can be repeated. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
