import type { CacheStats } from '../../plugins/response-cache/management.ts'
import { layOutTable } from './table.ts'

const HITS = ['memory-hit', 'redis-hit', 'stale-hit', 'error-hit', 'collapsed']
const ASKED = [...HITS, 'miss', 'uncacheable']

/** What is stored, and a line a process. */
export function renderStats({ stored, purges, nodes }: CacheStats): string {
  const head = `${stored} answers in Redis, ${purges} purges remembered\n`
  if (nodes.length === 0) return `${head}no plugin server has told its counts in the last 15 s\n`
  const rows = nodes.map(({ node, entries, bytes, requests }) => {
    const sum = (names: readonly string[]) => names.reduce((total, name) => total + (requests[name] ?? 0), 0)
    const asked = sum(ASKED)
    const ratio = asked === 0 ? '-' : `${((sum(HITS) / asked) * 100).toFixed(1)} %`
    return [node, entries, `${(bytes / 1_048_576).toFixed(1)} MiB`, asked, ratio, requests['error-hit'] ?? 0]
  })
  return head + layOutTable(['NODE', 'ENTRIES', 'MEMORY', 'REQUESTS', 'HITS', 'STALE ON ERROR'], rows)
}
