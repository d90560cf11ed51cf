import { SETTINGS } from './settings-table.ts'

interface Described {
  readonly env: string
  readonly default: unknown
  readonly doc: string
  readonly secret?: true
  readonly min?: number
  readonly max?: number
}

/** Every setting as a table in Markdown, for docs/settings.md. */
export function settingsTable(): string {
  const rows = Object.values<Described>(SETTINGS).map(({ env, default: value, doc, secret, min, max }) => {
    const range = min === undefined ? '' : max === undefined ? `; at least ${min}` : `; ${min} to ${max}`
    const shown = value === undefined ? 'unset' : `\`${String(value)}\``
    return `| \`${env}\` | ${doc}${range}${secret ? ' (secret)' : ''} | ${shown} |`
  })
  return ['| variable | meaning | default |', '| --- | --- | --- |', ...rows].join('\n')
}
