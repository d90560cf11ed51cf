import { readFileSync } from 'node:fs'
import { type Check, type Finding, fail, ok, warn } from './check.ts'

/** The listener's own backlog: an exit costs Kong its connection, so many rejections are many connections. */
const BACKLOG = 4096

/** Node.js, and how many connections may wait for the socket. */
export const checkMachine: Check = async () => [checkNode(process.versions.node), checkBacklog(readBacklog())]

export function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return ok('node', `Node.js ${version}`)
  return fail('node', `Node.js ${version} is older than 20.19`, 'Install Node.js 20.19 or a current LTS.')
}

/** @param limit net.core.somaxconn, undefined where the system has none. */
export function checkBacklog(limit: number | undefined): Finding {
  if (limit === undefined) return ok('backlog', 'this system has no net.core.somaxconn')
  if (limit >= BACKLOG) return ok('backlog', `net.core.somaxconn is ${limit}`)
  return warn(
    'backlog',
    `net.core.somaxconn is ${limit}: connections of Kong may be refused when many requests are rejected at once`,
    `Set it to at least ${BACKLOG}: sysctl -w net.core.somaxconn=${BACKLOG}`,
  )
}

function readBacklog(): number | undefined {
  try {
    return Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'))
  } catch {
    return undefined
  }
}
