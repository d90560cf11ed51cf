import { partsOf, type SubjectState } from './operate.ts'
import { parseOverrides } from './plan.ts'

export interface DescribedSubject {
  readonly key: string
  readonly state: SubjectState
}

interface LimitState {
  readonly name: string
  readonly algorithm: 'gcra' | 'sliding' | 'calendar'
  /** gcra: seconds until it is full again. */
  readonly full_in_seconds?: number
  /** sliding, calendar: the cost counted in the present window or period. */
  readonly used?: number
  /** sliding: the cost counted in the window before. */
  readonly used_before?: number
  /** calendar: when the period began, RFC 3339. */
  readonly since?: string
}

/** The subject for programs. Limits as they are counted; what is left depends on the configuration in Kong. */
export function subjectToJson({ key, state }: DescribedSubject) {
  const { nowMicros, fields, expireInMs } = state
  const changes = new Map(
    parseOverrides(fields.get('o') ?? '')
      .filter(({ untilMicros }) => untilMicros > nowMicros)
      .map(({ field, requests, burst, untilMicros }) => [
        field.slice(2),
        { limit: field.slice(2), requests, burst, until: new Date(untilMicros / 1000).toISOString() },
      ]),
  )
  return {
    key,
    ...partsOf(key),
    expires_in_seconds: expireInMs === undefined ? null : Math.ceil(expireInMs / 1000),
    limits: [...fields].flatMap(([field, value]) => limitState(field, value, nowMicros)),
    changes: [...changes.values()],
  }
}

function limitState(field: string, value: string, nowMicros: number): LimitState[] {
  const name = field.slice(2)
  const [a = 0, b = 0, c = 0] = value.split(',').map(Number)
  switch (field.slice(0, 2)) {
    case 'g:': {
      const seconds = Math.max(0, (a - nowMicros) / 1_000_000)
      return [{ name, algorithm: 'gcra', full_in_seconds: Math.round(seconds * 1000) / 1000 }]
    }
    case 's:':
      return [{ name, algorithm: 'sliding', used: b, used_before: c }]
    case 'c:':
      return [{ name, algorithm: 'calendar', used: b, since: new Date(a / 1000).toISOString() }]
  }
  return []
}

/** The subject for people. */
export function describeSubject(subject: DescribedSubject): string {
  const { key, scope, subject: name, limits, changes } = subjectToJson(subject)
  const lines = [`${name ?? key}  (${scope ?? 'unknown scope'})`]
  for (const limit of limits) lines.push(`  ${limit.name.padEnd(12)} ${describeLimit(limit)}`)
  if (limits.length === 0) lines.push('  no limit is in use')
  for (const { limit, requests, burst, until } of changes)
    lines.push(`  ${limit.padEnd(12)} changed to ${requests} requests, burst ${burst}, until ${until}`)
  return lines.join('\n')
}

function describeLimit(limit: LimitState): string {
  if (limit.algorithm === 'gcra') return `full again in ${limit.full_in_seconds} s`
  if (limit.algorithm === 'calendar') return `${limit.used} used since ${limit.since}`
  return `${limit.used} used in this window, ${limit.used_before} in the one before`
}
