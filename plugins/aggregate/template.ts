/** Paths of parts, and how their placeholders are filled. */

export type Placeholder =
  | { readonly kind: 'query' | 'capture'; readonly name: string }
  | { readonly kind: 'part'; readonly name: string; readonly fields: readonly string[] }

/** Texts and placeholders by turns. */
export type Template = readonly (string | Placeholder)[]

const PLACEHOLDER = /^([a-z][a-z0-9_]*)\.([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)$/

/** @returns what is wrong with it, as a text, where it is no template */
export function parseTemplate(path: string): Template | string {
  const pieces = path.split(/[{}]/)
  if (pieces.length % 2 === 0 || !isBalanced(path)) return 'its braces do not match'
  const template: (string | Placeholder)[] = []
  for (const [index, piece] of pieces.entries()) {
    if (index % 2 === 0) template.push(piece)
    else {
      const placeholder = parsePlaceholder(piece)
      if (placeholder === undefined) return `{${piece}} is none of {query.x}, {capture.x} and {part.field}`
      template.push(placeholder)
    }
  }
  return template
}

const isBalanced = (path: string) => /^[^{}]*(\{[^{}]*\}[^{}]*)*$/.test(path)

function parsePlaceholder(text: string): Placeholder | undefined {
  const [, source = '', rest = ''] = PLACEHOLDER.exec(text) ?? []
  if (source === '') return undefined
  if (source !== 'query' && source !== 'capture')
    return { kind: 'part', name: source, fields: rest.split('.') }
  return rest.includes('.') ? undefined : { kind: source, name: rest }
}

export const partsIn = (template: Template): readonly string[] =>
  template.flatMap(piece => (typeof piece === 'object' && piece.kind === 'part' ? [piece.name] : []))

export type Filled =
  | { readonly target: string }
  /** `source` says whose fault it is. */
  | { readonly fault: string; readonly source: Placeholder['kind'] }

/**
 * Fills a template. A value stands for one segment of the path, or for a part of one, and can neither leave it nor make
 * it another: nothing empty, no `.` or `..`, no separator in whatever spelling.
 *
 * @param read gives what stands for a placeholder
 */
export function fill(template: Template, read: (placeholder: Placeholder) => unknown): Filled {
  let target = ''
  /** The placeholders of the path's present segment. */
  let open: Placeholder | undefined
  let isQuery = false
  for (const piece of template) {
    if (typeof piece === 'string') {
      for (const [index, text] of piece.split(/(?=[/?])/).entries()) {
        const ends = index > 0 || text.startsWith('/') || text.startsWith('?')
        if (ends && open && !isQuery && !isSegment(lastSegment(target))) return refused(open)
        if (ends) open = undefined
        if (text.startsWith('?')) isQuery = true
        target += text
      }
      continue
    }
    const value = textOf(read(piece))
    if (value === undefined) return { fault: `${nameOf(piece)} is missing`, source: piece.kind }
    if (!isQuery && /[/\\\p{Cc}]|%(2f|5c|2e)/iu.test(value)) return refused(piece)
    target += encodeURIComponent(value)
    open = piece
  }
  return open && !isQuery && !isSegment(lastSegment(target)) ? refused(open) : { target }
}

const refused = (placeholder: Placeholder): Filled => ({
  fault: `${nameOf(placeholder)} is no segment of a path`,
  source: placeholder.kind,
})

const nameOf = (placeholder: Placeholder) =>
  placeholder.kind === 'part'
    ? `${placeholder.name}.${placeholder.fields.join('.')}`
    : `${placeholder.kind}.${placeholder.name}`

const lastSegment = (target: string) => target.slice(target.lastIndexOf('/') + 1)

/** encodeURIComponent leaves dots alone. */
const isSegment = (segment: string) => !['', '.', '..'].includes(segment)

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return isWellFormed(value) ? value : undefined
  // A number that has lost digits would ask for another thing.
  if (typeof value === 'number') return Math.abs(value) <= Number.MAX_SAFE_INTEGER ? String(value) : undefined
  return typeof value === 'boolean' ? String(value) : undefined
}

/** A lone surrogate has no encoding. */
const isWellFormed = (text: string) => !/\p{Surrogate}/u.test(text)
