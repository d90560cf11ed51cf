import type { Row } from '../../kong/reconcile/change.ts'
import type { KindName } from '../../kong/reconcile/kinds.ts'
import type { Step } from '../../kong/reconcile/steps/steps.ts'
import { type KindedFault, pointerTo, problemOf } from '../changes/fault.ts'
import type { Operation } from '../changes/operation.ts'
import type { Planned } from '../changes/planner.ts'
import type { Role } from '../http/access.ts'
import type { AddressPolicy } from './addresses.ts'
import { leavesOf, placesOf } from './places.ts'

/** Plugins that run Lua of their configuration. */
const CODE_PLUGINS: ReadonlySet<string> = new Set(['pre-function', 'post-function'])
const VAULT_REFERENCE = /^\{vault:\/\/([^/}]+)/

export interface PolicyOptions {
  readonly addresses: AddressPolicy
  /** Prefixes of vaults whose secrets editors may use. */
  readonly editorVaults: readonly string[]
}

/** An entity as a change will leave it. */
interface Written {
  readonly kind: KindName
  readonly before: Row | undefined
  readonly after: Row
}

/** The operations that a plan came of, and who asked for it. */
export interface PlannedFor extends Pick<Planned, 'steps' | 'targets'> {
  readonly operations: readonly Operation[]
  readonly role: Role
}

/** What a change must not do though Kong would: for everybody, and for those who are no admins. */
export class Policy {
  readonly #options: PolicyOptions

  constructor(options: PolicyOptions) {
    this.#options = options
  }

  /** @throws Problem with all that the change must not do. */
  async enforce(planned: PlannedFor): Promise<void> {
    const faults = await this.#faults(planned)
    if (faults.length > 0) throw problemOf(faults)
  }

  async #faults({ steps, targets, operations, role }: PlannedFor): Promise<readonly KindedFault[]> {
    const pointerOf = ({ change }: Step) => {
      const i = targets.findIndex(target => target?.kind === change.kind && target.id === change.id)
      return operations[i]?.pointer ?? ''
    }
    const found = await Promise.all(
      steps.map(async step => {
        const { kind, before, after } = step.change
        if (!after) return role === 'admin' ? [] : ofDeletion(kind, before, pointerOf(step))
        const written = { kind, before, after }
        const own = role === 'admin' ? [] : this.#forAdmins(written)
        return (await this.#addresses(written))
          .concat(own)
          .map(({ path, ...fault }) => ({ ...fault, pointer: pointerTo(pointerOf(step), path) }))
      }),
    )
    return found.flat().sort((a, b) => (a.pointer < b.pointer ? -1 : 1))
  }

  async #addresses({ kind, before, after }: Written) {
    const known = new Set(before ? placesOf(kind, before).map(keyOf) : [])
    // What it points to already is not this change's doing.
    const places = placesOf(kind, after).filter(place => !known.has(keyOf(place)))
    const refusals = await Promise.all(
      places.map(async ({ path, host, port }) => {
        const refusal = await this.#options.addresses.refusal(host, port)
        return refusal === undefined ? [] : [fault(path, 'address', `${path.join('.')}: ${host} ${refusal}`)]
      }),
    )
    return refusals.flat()
  }

  #forAdmins({ kind, before, after }: Written) {
    const known = new Set(before ? leavesOf(before, []).map(({ text }) => text) : [])
    const leaves = leavesOf(after, []).filter(({ text }) => !known.has(text))
    const vaults = leaves.flatMap(({ path, text }) => {
      const prefix = VAULT_REFERENCE.exec(text)?.[1]
      if (prefix === undefined || this.#options.editorVaults.includes(prefix)) return []
      return [fault(path, 'for_admins', `${path.join('.')}: secrets of the vault ${prefix} are for admins`)]
    })
    if (kind === 'vaults') return [...vaults, fault([], 'for_admins', 'vaults are for admins')]
    if (kind !== 'plugins') return vaults
    const code = leaves
      .filter(({ path }) => String(path[1] ?? '').endsWith('_by_lua'))
      .map(({ path }) => fault(path, 'for_admins', `${path.join('.')}: Lua is for admins`))
    if (CODE_PLUGINS.has(String(after.name)))
      code.push(fault(['name'], 'for_admins', `name: ${String(after.name)} runs Lua, and is for admins`))
    return [...vaults, ...code]
  }
}

/** What editors may not make they may not remove either. */
function ofDeletion(kind: KindName, before: Row | undefined, pointer: string): readonly KindedFault[] {
  const what = kind === 'vaults' ? 'vaults' : kind === 'plugins' ? String(before?.name) : ''
  if (what !== 'vaults' && !CODE_PLUGINS.has(what)) return []
  return [{ kind: 'forbidden', pointer, code: 'for_admins', detail: `${what}: for admins` }]
}

const keyOf = ({ path, host, port }: { path: readonly unknown[]; host: string; port: number | undefined }) =>
  `${path.join('.')} ${host} ${port}`

const fault = (path: readonly (string | number)[], code: 'address' | 'for_admins', detail: string) => ({
  ...{ kind: code === 'address' ? ('content' as const) : ('forbidden' as const), path, code, detail },
})
