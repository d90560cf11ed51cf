import { SluiceError } from '../../foundation/errors.ts'
import type { AdminClient } from '../admin/client.ts'
import { type Change, idIn } from './change.ts'
import { type Blocked, diff } from './diff.ts'
import { namelessIn, namesOf } from './files/choosers.ts'
import type { DeclaredState } from './files/declared.ts'
import { type Problem, problemAt } from './files/problem.ts'
import { chooseSelectTags } from './files/select-tags.ts'
import { refuseForeign } from './foreign.ts'
import { KINDS } from './kinds.ts'
import { noteLosses } from './losses.ts'
import { createMask, type Mask, maskError } from './mask.ts'
import { orderChanges } from './order.ts'
import { type CurrentState, isOurs, readState } from './read.ts'
import { type Desired, type ResolveOptions, resolve } from './resolve.ts'
import type { Step } from './steps/steps.ts'
import { findWarnings } from './warnings.ts'

export interface PlanOptions extends ResolveOptions {
  /** Besides those of the files; `sluice` where there are none at all. */
  readonly selectTags: readonly string[]
}

/** What would be done, and what is needed to do it. */
export interface Plan {
  /** In the order of the steps. */
  readonly changes: readonly Change[]
  readonly steps: readonly Step[]
  readonly unchanged: number
  /** What was converted in the files. */
  readonly notices: readonly string[]
  readonly warnings: readonly string[]
  readonly selectTags: readonly string[]
  readonly desired: readonly Desired[]
  readonly current: CurrentState
  readonly mask: Mask
}

/**
 * Compares declared states with what Kong holds. Writes nothing.
 *
 * @throws SluiceError SLUICE_STATE_INVALID for mistakes in the files, with their places; SLUICE_APPLY_REFUSED when a
 * deletion would take others' entities along, or the whole of a Kong without a database is not ours.
 */
export async function planState(
  client: AdminClient,
  declared: DeclaredState,
  options: PlanOptions,
): Promise<Plan> {
  const { tags: selectTags, problems } = chooseSelectTags(declared, options.selectTags)
  const known = { ...declared, problems: [...declared.problems, ...problems, ...namelessIn(declared)] }
  const current = await readState(client, {
    plugins: namesOf(known, 'plugins'),
    vaults: namesOf(known, 'vaults'),
  })
  const dbLess = current.isDbLess ? expiringIn(declared) : []
  const state = { ...known, problems: [...known.problems, ...dbLess] }
  const desired = resolveMasked(state, current, { ...options, selectTags })
  if (current.isDbLess) refuseForeign(current, selectTags)
  const { changes, blocked, unchanged } = diff(desired, current, selectTags)
  refuseBlocked(blocked)
  const whole = { desired, current: current.entities }
  const hasApplications = current.entities.some(({ kind }) => kind === 'oauth2_credentials')
  const steps = orderChanges(await noteLosses(client, changes, hasApplications), whole)
  const mask = createMask(current.schemas, declared.secrets, function* () {
    yield* current.entities
    for (const entity of desired) yield { kind: entity.kind, fields: entity.body }
  })
  return {
    changes: steps.map(step => step.change),
    steps,
    unchanged,
    notices: declared.notices,
    warnings: warningsOf(desired, current, selectTags),
    selectTags,
    desired,
    current,
    mask,
  }
}

/** A real Kong 3.9.3 without a database takes `ttl` for a time, so that such a key is gone at once. */
const expiringIn = ({ entities }: DeclaredState): readonly Problem[] =>
  entities
    .filter(({ fields }) => fields.ttl !== undefined)
    .map(({ source, path }) =>
      problemAt(source, [...path, 'ttl'], 'ttl: a Kong without a database drops a key with a ttl at once'),
    )

/** Kong would delete others' entities together with ours. */
function refuseBlocked(blocked: readonly Blocked[]): void {
  if (blocked.length === 0) return
  const lines = blocked.map(({ change, by }) => {
    const others = by.map(({ kind, id }) => `${KINDS[kind].noun} ${id}`).join(', ')
    return `${change.label} is to be deleted, but others' entities belong to it: ${others}`
  })
  throw new SluiceError('SLUICE_APPLY_REFUSED', lines.join('\n'))
}

/** Looks at the plugins that will stand in Kong: what is declared, and what belongs to others. */
function warningsOf(
  desired: readonly Desired[],
  current: CurrentState,
  selectTags: readonly string[],
): readonly string[] {
  const others = current.entities.filter(entity => !isOurs(entity, selectTags))
  const ofKind = <T extends { readonly kind: string }>(entities: readonly T[], kind: string) =>
    entities.filter(entity => entity.kind === kind)
  const routes = [...ofKind(others, 'routes'), ...ofKind(desired, 'routes')]
  const services = new Map(routes.map(({ id, fields }) => [id, idIn(fields.service)]))
  const plugins = [
    ...ofKind(desired, 'plugins'),
    ...ofKind(others, 'plugins').map(({ id, fields }) => ({
      fields,
      label: `plugin ${fields.name} (id ${id})`,
    })),
  ]
  return findWarnings(plugins, route => services.get(route))
}

function resolveMasked(
  declared: DeclaredState,
  current: CurrentState,
  options: ResolveOptions,
): readonly Desired[] {
  try {
    return resolve(declared, current, options).desired
  } catch (error) {
    throw maskError(error, declared.secrets)
  }
}
