import { Command } from 'commander'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { readSettings, type Settings } from '../../foundation/settings.ts'
import { toJsonText } from '../format/json.ts'
import { layOutTable } from '../format/table.ts'

interface Change {
  readonly id: string
  readonly state: string
  readonly actor: string
  readonly origin: string
  readonly created_at: string
  readonly reason: string | null
  readonly entities?: readonly string[]
  readonly failure?: { readonly detail: string }
  readonly steps?: readonly {
    readonly state: string
    readonly action: string
    readonly label: string
    readonly changes: readonly { readonly field: string; readonly before: unknown; readonly after: unknown }[]
  }[]
  readonly stuck?: readonly { readonly label: string; readonly reason: string }[]
}

/** `sluice manager change`: asks a running manager, with the token of SLUICE_MANAGER_TOKEN. */
export const changeCommand = new Command('change').description('shows, undoes, retries and resolves changes')

changeCommand
  .command('list')
  .description('the newest first')
  .option('--state <state>', 'only those: applied, undone, stuck, …')
  .option('--json', 'as JSON')
  .action(async ({ state, json }: { state?: string; json?: boolean }) => {
    const query = state === undefined ? '' : `?${new URLSearchParams({ state })}`
    const { data } = await ask<{ data: readonly Change[] }>('GET', `/v1/changes${query}`)
    const cells = data.map(one => [
      one.id,
      one.state,
      one.created_at,
      one.actor,
      one.entities?.join(', ') ?? '',
    ])
    const heads = ['change', 'state', 'created', 'actor', 'entities']
    process.stdout.write(json ? toJsonText(data, 2) : layOutTable(heads, cells))
  })

changeCommand
  .command('show <id>')
  .description('its steps, field by field, and why it failed')
  .option('--json', 'as JSON')
  .action(async (id: string, { json }: { json?: boolean }) => print(await ask<Change>('GET', at(id)), json))

for (const [verb, text] of [
  ['undo', 'makes the change that takes an applied one back'],
  ['retry', 'tries again to undo a stuck one'],
  ['resolve', 'leaves a stuck one as it is: its entities may be changed again'],
] as const)
  changeCommand
    .command(`${verb} <id>`)
    .description(text)
    .requiredOption('--reason <text>', 'stands in the history')
    .option('--json', 'as JSON')
    .action(async (id: string, { reason, json }: { reason: string; json?: boolean }) =>
      print(await ask<Change>('POST', `${at(id)}/${verb}`, { reason }), json),
    )

const at = (id: string): string => `/v1/changes/${encodeURIComponent(id)}`

function print(change: Change, json: boolean | undefined): void {
  if (json) return void process.stdout.write(toJsonText(change, 2))
  const { id, state, actor, origin, created_at: at, reason, failure, steps = [], stuck = [] } = change
  const facts = [
    ...[
      ['change', id],
      ['state', state],
      ['actor', actor],
      ['request', origin],
      ['created', at],
    ],
    ...(reason === null ? [] : [['reason', reason]]),
    ...(failure ? [['failure', failure.detail]] : []),
    ...stuck.map(one => ['stuck', `${one.label}: ${one.reason}`]),
  ]
  const rows = steps.flatMap(step => [
    [step.state, `${step.action} ${step.label}`, ''],
    ...step.changes.map(({ field, before, after }) => ['', field, `${show(before)} → ${show(after)}`]),
  ])
  process.stdout.write(
    `${layOutTable(['field', 'value'], facts)}\n${layOutTable(['state', 'step', 'before → after'], rows)}`,
  )
}

const show = (value: unknown): string => JSON.stringify(value ?? null)

/** @throws SluiceError with what the manager has against the request. */
async function ask<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
  const settings = readSettings()
  const url = new URL(path, urlOf(settings))
  const response = await fetch(url, {
    method,
    headers: {
      authorization: `Bearer ${tokenOf(settings)}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  }).catch((error: unknown) => {
    throw new SluiceError('SLUICE_MANAGER_UNAVAILABLE', `${url.origin}: ${messageOf(error)}`)
  })
  const answer = (await response.json()) as T & {
    readonly detail?: string
    readonly errors?: readonly { detail: string }[]
  }
  if (response.ok) return answer
  const faults = (answer.errors ?? []).map(({ detail }) => `\n  ${detail}`).join('')
  const text = `${answer.detail ?? `the manager answers ${response.status}`}${faults}`
  throw new SluiceError(
    response.status === 404 ? 'SLUICE_MANAGER_NOT_FOUND' : 'SLUICE_MANAGER_CONFLICT',
    text,
  )
}

function urlOf({ managerPublicUrl, managerListen }: Settings): string {
  if (managerPublicUrl !== undefined) return managerPublicUrl
  if (!managerListen) throw new SluiceError('SLUICE_CONFIG_INVALID', 'SLUICE_MANAGER_PUBLIC_URL: is not set')
  const { host, port } = managerListen
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

function tokenOf({ managerToken }: Settings): string {
  if (managerToken !== undefined) return managerToken
  throw new SluiceError(
    'SLUICE_CONFIG_INVALID',
    'SLUICE_MANAGER_TOKEN: is not set, and neither is SLUICE_MANAGER_TOKEN_FILE; `sluice manager token create` makes one',
  )
}
