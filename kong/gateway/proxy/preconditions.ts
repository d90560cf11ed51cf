import type { Exchange } from './exchange.ts'

/** What nginx makes of a client's conditions. */
export type Precondition = 'met' | 'not modified' | 'failed'

/**
 * nginx evaluates conditional requests by itself when Kong answers 200, by the fields that stand there before the
 * header filters of plugins (ngx_http_not_modified_filter_module). A condition that failed ends the connection without
 * an answer. Checked against a Kong 3.9.3.
 */
export function evaluatePreconditions({ headers, responseHeaders }: Exchange): Precondition {
  const etag = responseHeaders.get('etag')
  const modifiedMs = Date.parse(responseHeaders.get('last-modified') ?? '')
  const unmodifiedSince = headers.get('if-unmodified-since')
  if (unmodifiedSince !== undefined && !(Date.parse(unmodifiedSince) >= modifiedMs)) return 'failed'
  const match = headers.get('if-match')
  if (match !== undefined && !namesTag(match, etag, false)) return 'failed'
  const modifiedSince = headers.get('if-modified-since')
  const noneMatch = headers.get('if-none-match')
  if (modifiedSince === undefined && noneMatch === undefined) return 'met'
  // nginx wants the very same time, not an earlier one.
  if (modifiedSince !== undefined && Date.parse(modifiedSince) !== modifiedMs) return 'met'
  return noneMatch === undefined || namesTag(noneMatch, etag, true) ? 'not modified' : 'met'
}

/** @param isWeak compares without `W/` */
function namesTag(list: string, etag: string | undefined, isWeak: boolean): boolean {
  if (list === '*') return true
  if (etag === undefined) return false
  const bare = (tag: string) => (isWeak ? tag.replace(/^W\//, '') : tag)
  return list.split(',').some(tag => bare(tag.trim()) === bare(etag))
}
