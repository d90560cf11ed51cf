/** How Kong's messages show a table: as Penlight's `pretty.write` does, keys in order. */

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/
const KEYWORDS = new Set(
  'and break do else elseif end false for function goto if in local nil not or repeat return then true until while'.split(
    ' ',
  ),
)

/**
 * @param indent what one level is indented by; the empty string writes everything in one line.
 */
export function prettyTable(value: unknown, indent = '  '): string {
  return write(value, indent, '')
}

function write(value: unknown, indent: string, margin: string): string {
  if (value === null || value === undefined) return 'null'
  if (typeof value === 'string') return quoted(value)
  if (typeof value !== 'object') return String(value)
  const inner = margin + indent
  const assign = indent === '' ? '=' : ' = '
  const lines: string[] = []
  if (Array.isArray(value)) {
    // Behind a hole, elements are written with their numbers.
    const hole = value.indexOf(null)
    value.forEach((item, i) => {
      if (item === null) return
      const key = hole >= 0 && i > hole ? `[${i + 1}]${assign}` : ''
      lines.push(key + write(item, indent, inner))
    })
  } else {
    for (const key of Object.keys(value).sort())
      lines.push(`${shownKey(key)}${assign}${write((value as Record<string, unknown>)[key], indent, inner)}`)
  }
  if (lines.length === 0) return '{}'
  if (indent === '') return `{${lines.join(',')}}`
  return `{\n${lines.map(line => inner + line).join(',\n')}\n${margin}}`
}

const shownKey = (key: string): string => (IDENTIFIER.test(key) && !KEYWORDS.has(key) ? key : `["${key}"]`)

const quoted = (text: string): string =>
  `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`
