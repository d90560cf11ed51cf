/** Whether the `Accept` field puts HTML before JSON (RFC 9110 §12.5.1); whoever accepts anything gets JSON. */
export function prefersHtml(accept: string | undefined): boolean {
  if (accept === undefined) return false
  return qualityOf(accept, 'text', 'html') > qualityOf(accept, 'application', 'json')
}

/** The most specific range that fits decides. */
function qualityOf(accept: string, type: string, subtype: string): number {
  let best = { specificity: -1, quality: 0 }
  for (const part of accept.split(',')) {
    const [range = '', ...parameters] = part.split(';').map(text => text.trim().toLowerCase())
    const specificity = [`*/*`, `${type}/*`, `${type}/${subtype}`].indexOf(range)
    if (specificity <= best.specificity) continue
    const weight = parameters.find(text => text.startsWith('q='))?.slice(2)
    const quality = Number(weight ?? 1)
    best = { specificity, quality: Number.isFinite(quality) ? quality : 0 }
  }
  return best.quality
}
