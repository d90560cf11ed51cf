/**
 * Simulates strict, leased and report-afterwards counting at 2, 8 and 32 nodes, and writes the table into
 * docs/leasing.md. `node dist/bench/qos-leasing.js`; about a minute. With --print it only prints.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type Design, simulate } from './qos-simulation.ts'

const WINDOW_SECONDS = 60
const LIMITS = [100, 10_000]
const NODES = [2, 8, 32]
const DESIGNS: readonly Design[] = ['strict', 'leased', 'report-afterwards']
const LOADS: readonly [name: string, arrivals: (limit: number) => (second: number) => number][] = [
  ['half of the limit, evenly', limit => () => limit / 2 / WINDOW_SECONDS],
  ['twice the limit, evenly', limit => () => (2 * limit) / WINDOW_SECONDS],
  ['ten times the limit in one second', limit => second => (second === 0 ? 10 * limit : 0)],
]

const BEGIN = '<!-- table: written by bench/qos-leasing.ts -->'
const END = '<!-- end of table -->'

async function table(): Promise<string> {
  const head = DESIGNS.flatMap(design => [`${design}: admitted`, 'calls a request'])
  const lines = [
    `| limit a minute | load | nodes | ${head.join(' | ')} |`,
    `| --- | --- | --- | ${head.map(() => '---').join(' | ')} |`,
  ]
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
        lines.push(`| ${limit} | ${load} | ${nodes} | ${cells.join(' | ')} |`)
      }
  return lines.join('\n')
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
process.stdout.write(`${text}\n`)
if (!process.argv.includes('--print')) {
  const file = path.resolve(import.meta.dirname, '..', '..', 'docs', 'leasing.md')
  const page = readFileSync(file, 'utf8')
  const [before, rest] = page.split(BEGIN)
  const after = rest?.split(END)[1]
  if (before === undefined || after === undefined) throw new Error(`${file} lacks the markers of the table`)
  writeFileSync(file, `${before}${BEGIN}\n\n${text}\n\n${END}${after}`)
}
