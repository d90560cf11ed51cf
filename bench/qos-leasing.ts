/**
 * Simulates strict, leased and report-afterwards counting at 2, 8 and 32 nodes, and writes the table into
 * docs/leasing.md. `node dist/bench/qos-leasing.js`; about a minute. With --print it only prints.
 */

import { type Design, simulate } from './qos-simulation.ts'
import { tableOf, writeIntoDocs } from './report.ts'

const WINDOW_SECONDS = 60
const LIMITS = [100, 10_000]
const NODES = [2, 8, 32]
const DESIGNS: readonly Design[] = ['strict', 'leased', 'report-afterwards']
const LOADS: readonly [name: string, arrivals: (limit: number) => (second: number) => number][] = [
  ['half of the limit, evenly', limit => () => limit / 2 / WINDOW_SECONDS],
  ['twice the limit, evenly', limit => () => (2 * limit) / WINDOW_SECONDS],
  ['ten times the limit in one second', limit => second => (second === 0 ? 10 * limit : 0)],
]

async function table(): Promise<string> {
  const head = DESIGNS.flatMap(design => [`${design}: admitted`, 'calls a request'])
  const rows: string[][] = []
  for (const limit of LIMITS)
    for (const [load, arrivals] of LOADS)
      for (const nodes of NODES) {
        const cells: string[] = []
        for (const design of DESIGNS) {
          const { most, callsPerRequest } = await simulate({
            design,
            nodes,
            limit,
            windowSeconds: WINDOW_SECONDS,
            arrivals: perSecond(arrivals(limit)),
            windows: 3,
            tolerance: 0.05,
            syncSeconds: 1,
            seed: 1,
          })
          cells.push(`${most.toFixed(2)}·L`, callsPerRequest.toFixed(3))
        }
        rows.push([String(limit), load, String(nodes), ...cells])
      }
  return tableOf(['limit a minute', 'load', 'nodes', ...head], rows)
}

/** Spreads fractions of a request over the seconds. */
function perSecond(rate: (second: number) => number): (second: number) => number {
  let owed = 0
  return second => {
    owed += rate(second)
    const whole = Math.floor(owed)
    owed -= whole
    return whole
  }
}

const text = await table()
process.stdout.write(text)
if (!process.argv.includes('--print')) writeIntoDocs('leasing.md', 'bench/qos-leasing.ts', text)
