import { createCanonicalJson } from '../foundation/canonical-json.ts'

/** Deeper than any event of ours; a value that refers to itself ends here too. */
const MAX_DEPTH = 32

const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

/**
 * The canonical JSON text of an event. It has the same bytes after a journey through PostgreSQL's `jsonb`, which orders
 * members in its own way: what `jsonb` can't hold is replaced first, NUL by the six characters of its escape, half a
 * surrogate pair by U+FFFD.
 */
export const storedJson = createCanonicalJson({
  maxDepth: MAX_DEPTH,
  replace: text => text.replaceAll('\0', '\\u0000').replace(LONE_SURROGATE, '\ufffd'),
})
