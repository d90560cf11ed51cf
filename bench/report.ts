/** What benchmarks print. */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

export function median(values: readonly number[]): number {
  return [...values].sort((x, y) => x - y)[Math.floor(values.length / 2)]!
}

export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  process.stdout.write(tableOf(head, rows))
}

export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('')
}

/**
 * Puts a table into a page of docs/, in the place of the one there.
 *
 * @param benchmark path of the benchmark, as the marker in the page has it.
 * @throws where the page has no such marker.
 */
export function writeIntoDocs(page: string, benchmark: string, table: string): void {
  const file = path.resolve(import.meta.dirname, '..', '..', 'docs', page)
  const begin = `<!-- table: written by ${benchmark} -->`
  const end = '<!-- end of table -->'
  const [before, rest] = readFileSync(file, 'utf8').split(begin)
  const after = rest?.split(end).slice(1).join(end)
  if (before === undefined || after === undefined) throw new Error(`${file} lacks ${begin}`)
  writeFileSync(file, `${before}${begin}\n\n${table.trimEnd()}\n\n${end}${after}`)
}
