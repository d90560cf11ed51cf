/**
 * How exactly four plugin servers with one Redis keep one consumer's budget when things go badly: beside CPU burners,
 * from a cold start and warm, under a CPU quota, with a Redis that stops now and then.
 *
 *     node dist/bench/qos-exact/run.js [rounds] [condition,condition,…] [--write]
 *
 * With --write the table goes into docs/leasing.md.
 * SLUICE_BENCH_BEFORE names the `dist` folder of another commit, which is then measured in turn with this one, and
 * SLUICE_TEST_KONG_COMMAND the command line of a Kong 3.9, whose own rate-limiting is.
 * Burners and stops are bounded; a quota needs a user who may make control groups.
 */
import path from 'node:path'
import { parseArgs } from 'node:util'
import { Redis } from 'ioredis'
import { findService } from '../../ops/local/find.ts'
import { tableOf, writeIntoDocs } from '../report.ts'
import { CONDITIONS } from './conditions.ts'
import { type Contender, type Measured, measure } from './measure.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { write: { type: 'boolean', default: false } },
})
const ROUNDS = Number(positionals[0] ?? 3)
const ONLY = positionals[1]?.split(',')

const here = path.resolve(import.meta.dirname, '../..')
const { SLUICE_BENCH_BEFORE: before, SLUICE_TEST_KONG_COMMAND: kong } = process.env
const contenders: Contender[] = (['strict', 'leased'] as const).flatMap(sync => [
  ...(before ? [{ kind: 'qos', name: `${sync}, before`, sync, dist: path.resolve(before) } as const] : []),
  { kind: 'qos', name: sync, sync, dist: here },
])
if (kong) contenders.push({ kind: 'kong', name: "Kong's rate-limiting, redis" })

const redis = await findService('redis', { variables: 'SLUICE_TEST_', alone: true })
const client = new Redis(redis.url)
client.on('error', () => {})
const rows: string[][] = []
try {
  for (const condition of CONDITIONS) {
    if (ONLY && !ONLY.includes(condition.name)) continue
    const results = new Map<string, Measured[]>()
    for (let round = 0; round < ROUNDS; round++)
      for (const contender of contenders) {
        const name = `${condition.title} | ${contender.name}`
        const measured = await measure({ contender, condition, redis, client })
        results.set(name, [...(results.get(name) ?? []), measured])
        process.stderr.write(`${name}: ${JSON.stringify(measured)}\n`)
      }
    for (const [name, all] of results) rows.push(rowOf(name, all))
  }
} finally {
  client.disconnect()
  await redis.close()
}

function rowOf(name: string, all: readonly Measured[]): string[] {
  const range = (pick: (measured: Measured) => number, digits = 0) => {
    const values = all.map(pick).sort((a, b) => a - b)
    const [least, most] = [values[0]!, values.at(-1)!].map(value => value.toFixed(digits))
    return least === most ? String(least) : `${least} to ${most}`
  }
  return [
    ...name.split(' | '),
    range(({ cold }) => cold),
    range(({ warm }) => warm),
    range(({ steady }) => steady),
    range(({ p50Ms }) => p50Ms, 1),
    range(({ p99Ms }) => p99Ms, 1),
    range(({ failed }) => failed),
  ]
}

const head = ['condition', 'limiter', 'cold storm', 'warm storm', 'steady', 'p50, ms', 'p99, ms', 'failed']
const table = tableOf(head, rows)
process.stdout.write(table)
if (values.write) writeIntoDocs('leasing.md', 'bench/qos-exact', table)
