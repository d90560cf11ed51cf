import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'

const ROOT = path.resolve(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8')

/** Rows of the README's table of costs, by how they begin, with the cases of bench/kong/run.ts that they name. */
const ROWS = [
  [
    '| `qos` leased, three windows, beside',
    'qos, three windows, leased',
    "Kong's rate-limiting, one window, local",
  ],
  [
    '| `qos` strict, three windows, beside',
    'qos, three windows, strict',
    "Kong's rate-limiting, three windows, redis",
  ],
] as const

describe("the README's figures of what a request costs", () => {
  const benchmarks = read('docs/benchmarks.md')
  const cellsOf = (text: string, start: string): string[] => {
    const row = text.split('\n').find(line => line.startsWith(start))
    assert.ok(row, `no row begins with ${start}`)
    return row
      .split('|')
      .slice(1, -1)
      .map(cell => cell.trim())
  }
  for (const [start, ours, peer] of ROWS)
    it(`are those of docs/benchmarks.md: ${ours}`, () => {
      const micros = (title: string) => Number(cellsOf(benchmarks, `| ${title} |`).at(-1))
      const [ourSum, peerSum] = [micros(ours), micros(peer)]
      assert.ok(ourSum > 0 && peerSum > 0)
      assert.deepEqual(cellsOf(read('README.md'), start).slice(1), [
        `${ourSum} µs`,
        `${peerSum} µs`,
        `${(ourSum / peerSum).toFixed(2)} ×`,
      ])
    })
})
