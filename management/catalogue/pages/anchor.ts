/** The fragment under which something is found on the page of the documentation. */
export const anchorOf = (...names: readonly string[]): string => names.map(encodeURIComponent).join('.')
