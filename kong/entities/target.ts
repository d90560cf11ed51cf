import { formatHost, isProblem, parseHost } from './address.ts'
import { defineEntity, type Reference } from './entity.ts'
import { checkTag } from './validators.ts'

export type Target = {
  readonly id: string
  /** Seconds, with milliseconds behind the point. */
  readonly created_at: number
  readonly updated_at: number
  readonly upstream: Reference
  /** `host:port`. */
  readonly target: string
  /** 0 takes it out of the balancing. */
  readonly weight: number
  readonly tags: readonly string[] | null
}

export const target = defineEntity({
  name: 'targets',
  noun: 'target',
  endpointKey: 'target',
  cacheKey: ['upstream', 'target'],
  identity: [['target', 'upstream']],
  fixed: ['upstream', 'target'],
  shownBy: ['target'],
  within: 'upstream',
  rules: { target: checkTarget, 'tags.elements': checkTag },
  // A target is stored with its port.
  prepare(data) {
    if (typeof data.target !== 'string') return data
    const formatted = formatTarget(data.target)
    return formatted === undefined
      ? { refused: { target: 'Invalid target; not a valid hostname or ip address' } }
      : { ...data, target: formatted }
  },
})

const DEFAULT_PORT = 8000

/** `host:port` with the port that Kong adds, or nothing when it is no host. */
export function formatTarget(target: string): string | undefined {
  const parsed = parseHost(target)
  return isProblem(parsed) ? undefined : formatHost(parsed, DEFAULT_PORT)
}

function checkTarget(value: string): string | undefined {
  return isProblem(parseHost(value))
    ? `Invalid target ('${value}'); not a valid hostname or ip address`
    : undefined
}
