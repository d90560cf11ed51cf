import { SluiceError } from '../../foundation/errors.ts'
import type { AdminClient } from '../admin/client.ts'
import type { Change } from './change.ts'
import { diff } from './diff.ts'
import { type DeclaredState, problemAt, readDeclared } from './files/declared.ts'
import { chooseSelectTags } from './files/select-tags.ts'
import { refuse, type Source } from './files/source.ts'
import { refuseForeign } from './foreign.ts'
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
  sources: readonly Source[],
  options: PlanOptions,
): Promise<Plan> {
  const declared = readDeclared(sources)
  const selectTags = chooseSelectTags(declared, options.selectTags)
  const current = await readState(client, {
    plugins: pluginNames(declared, 'plugins'),
    vaults: pluginNames(declared, 'vaults'),
  })
  if (current.isDbLess) refuseForeign(current, selectTags)
  const secrets = sources.flatMap(source => source.secrets)
  const desired = resolveMasked(declared, current, { ...options, selectTags }, secrets)
  const { changes, blocked, unchanged } = diff(desired, current, selectTags)
  if (blocked.length > 0) {
    const lines = blocked.map(
      ({ change, by }) =>
        `${change.label} is to be deleted, but ${by.map(e => `${e.kind} ${e.id}`).join(', ')} of somebody else belongs to it`,
    )
    throw new SluiceError('SLUICE_APPLY_REFUSED', lines.join('\n'))
  }
  const known = await noteLosses(client, changes, current.entities)
  const steps = orderChanges(known, desired, current.entities)
  const mask = createMask(current.schemas, secrets, function* () {
    yield* current.entities
    for (const entity of desired) yield { kind: entity.kind, fields: entity.body }
  })
  return {
    changes: steps.map(step => step.change),
    steps,
    unchanged,
    warnings: warningsOf(desired, current, selectTags),
    selectTags,
    desired,
    current,
    mask,
  }
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
  const services = new Map(
    routes.map(({ id, fields }) => [id, (fields.service as { id: string } | null)?.id]),
  )
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
  secrets: readonly string[],
): readonly Desired[] {
  try {
    return resolve(declared, current, options)
  } catch (error) {
    throw maskError(error, secrets)
  }
}

/** Names of the declared plugins or vaults. A missing one is a mistake that shows only here. */
function pluginNames({ entities }: DeclaredState, kind: 'plugins' | 'vaults'): readonly string[] {
  const own = entities.filter(entity => entity.kind === kind)
  refuse(
    own
      .filter(({ fields }) => typeof fields.name !== 'string')
      .map(({ source, path }) => problemAt(source, path, `a ${kind.slice(0, -1)} needs a name`)),
  )
  return own.map(({ fields }) => fields.name as string)
}
