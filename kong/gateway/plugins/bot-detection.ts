import { readFileSync } from 'node:fs'
import path from 'node:path'
import { BoundedMap } from '../../../foundation/bounded-map.ts'
import type { Exchange } from '../proxy/exchange.ts'
import { toSearchRegExp } from '../router/regex.ts'
import { definePlugin } from './builtin.ts'

interface Config {
  readonly allow: readonly string[]
  readonly deny: readonly string[]
}

/** Decisions are remembered, since a user agent is compared with hundreds of names. */
const MAX_REMEMBERED = 10_000

export const botDetection = definePlugin<Config>({
  name: 'bot-detection',
  priority: 2_500,
  start() {
    const bots = readBots()
    return {
      configure({ allow, deny }) {
        const allowed = allow.map(toSearchRegExp)
        const denied = [...deny.map(toSearchRegExp), ...bots]
        const decisions = new BoundedMap<boolean>(MAX_REMEMBERED)
        const isRefused = (agent: string): boolean => {
          const matches = (pattern: RegExp) => pattern.test(agent.trim())
          const refused = decisions.get(agent) ?? (!allowed.some(matches) && denied.some(matches))
          decisions.set(agent, refused)
          return refused
        }
        return {
          access(exchange: Exchange) {
            const agent = exchange.headers.value('user-agent')
            if (typeof agent === 'object') exchange.respondError(400, 'Only one User-Agent header allowed')
            else if (agent !== undefined && isRefused(agent)) exchange.respondError(403)
          },
        }
      },
    }
  },
})

function readBots(): readonly RegExp[] {
  const file = path.join(import.meta.dirname, 'bots.json')
  const { patterns } = JSON.parse(readFileSync(file, 'utf8')) as { patterns: readonly string[] }
  return patterns.map(pattern => new RegExp(pattern))
}
