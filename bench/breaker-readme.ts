import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const README = path.resolve(import.meta.dirname, '../../plugins/circuit-breaker/README.md')
const END = '<!-- end of table -->'

/** Puts a table between the marks of its benchmark in the plugin's README. */
export function insertTable(benchmark: string, table: string): void {
  const begin = `<!-- table: written by ${benchmark} -->`
  const text = readFileSync(README, 'utf8')
  const from = text.indexOf(begin)
  const to = text.indexOf(END, from)
  if (from < 0 || to < 0) throw new Error(`${README} has no place for the table of ${benchmark}`)
  writeFileSync(README, `${text.slice(0, from + begin.length)}\n${table}\n${text.slice(to)}`)
}
