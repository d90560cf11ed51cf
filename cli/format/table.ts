/**
 * Lays rows out in columns, as wide as their widest cell.
 *
 * Cells hold what clients sent: control characters are replaced, so that no one can write to the terminal.
 */
export function layOutTable(heads: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const cells = [heads, ...rows].map(row => row.map(printable))
  const widths = heads.map((_, column) => Math.max(...cells.map(row => row[column]!.length)))
  return cells
    .map(row =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .map(line => `${line}\n`)
    .join('')
}

const printable = (value: unknown) =>
  value === null || value === undefined || value === '' ? '-' : String(value).replaceAll(/\p{C}/gu, '·')
