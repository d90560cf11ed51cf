/**
 * A regular expression of Kong's engines (Rust's in the router, PCRE2 in plugins), anchored at the start. Named
 * groups and ends of text have other names there, and `(?i)` holds for the whole expression wherever it stands.
 *
 * @throws SyntaxError for what JavaScript's engine does not know
 */
export function toRegExp(source: string): RegExp {
  const { text, flags } = translate(source)
  return new RegExp(`^(?:${text})`, flags)
}

/** The same, found anywhere in a text. @throws SyntaxError */
export function toSearchRegExp(source: string): RegExp {
  const { text, flags } = translate(source)
  return new RegExp(text, flags)
}

function translate(source: string): { text: string; flags: string } {
  const text = source.replaceAll('(?P<', '(?<').replaceAll('\\A', '^').replaceAll('\\z', '$')
  return { text: text.replaceAll('(?i)', ''), flags: text.includes('(?i)') ? 'i' : '' }
}
