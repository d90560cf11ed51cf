/**
 * What `--json` prints: our own objects with the names of their fields in snake_case, as events and Kong have them.
 *
 * @param indent spaces; 0 for one line
 */
export const toJsonText = (value: unknown, indent: number): string =>
  `${JSON.stringify(snakeCased(value), null, indent)}\n`

function snakeCased(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCased)
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`),
      snakeCased(inner),
    ]),
  )
}
