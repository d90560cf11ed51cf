import type { Clock } from '../foundation/clock.ts'
import type { AdminClient } from '../kong/admin/client.ts'
import {
  createSchemas,
  fetchSchemas,
  fetchSubschemas,
  type SchemaSpecs,
  type Schemas,
} from '../kong/reconcile/schemas.ts'

/** How long schemas are good: a Kong may be restarted with other plugins. */
const GOOD_FOR_MS = 300_000
/** How long a name that Kong did not know is not asked for again. */
const UNKNOWN_FOR_MS = 2_000

export interface WantedNames {
  readonly plugins?: readonly string[]
  readonly vaults?: readonly string[]
}

/** The schemas of this Kong, fetched when they are needed. */
export class KongSchemas {
  readonly #client: AdminClient
  readonly #clock: Clock
  #specs: SchemaSpecs = { kinds: new Map(), plugins: {}, vaults: {} }
  #schemas: Schemas | undefined
  #fetchedAtMs = Number.NEGATIVE_INFINITY
  readonly #unknown = new Map<string, number>()
  #fetching: Promise<void> = Promise.resolve()

  constructor(client: AdminClient, clock: Clock) {
    this.#client = client
    this.#clock = clock
  }

  /** What is known so far; undefined before the first fetch. */
  get known(): Schemas | undefined {
    return this.#schemas
  }

  get specs(): SchemaSpecs {
    return this.#specs
  }

  /** @throws AdminUnreachable, AdminRefused */
  async with({ plugins = [], vaults = [] }: WantedNames = {}): Promise<Schemas> {
    // One after the other: two requests for the same names would fetch them twice.
    const before = this.#fetching
    const fetching = before.catch(() => {}).then(() => this.#fetch(plugins, vaults))
    this.#fetching = fetching
    await fetching
    if (!this.#schemas) throw new Error('no schemas')
    return this.#schemas
  }

  /** Fetches everything anew with the next question. */
  forget(): void {
    this.#fetchedAtMs = Number.NEGATIVE_INFINITY
    this.#unknown.clear()
  }

  async #fetch(plugins: readonly string[], vaults: readonly string[]): Promise<void> {
    const nowMs = this.#clock.monotonic()
    const isOld = nowMs - this.#fetchedAtMs > GOOD_FOR_MS
    const isWanted = (group: 'plugins' | 'vaults') => (name: string) =>
      !Object.hasOwn(this.#specs[group], name) && (this.#unknown.get(`${group}/${name}`) ?? 0) < nowMs
    const missing = {
      plugins: plugins.filter(isWanted('plugins')),
      vaults: vaults.filter(isWanted('vaults')),
    }
    if (isOld) await this.#fetchAll(missing)
    else if (missing.plugins.length + missing.vaults.length > 0) await this.#fetchNames(missing)
    else return
    for (const [group, names] of Object.entries(missing))
      for (const name of names) this.#unknown.set(`${group}/${name}`, nowMs + UNKNOWN_FOR_MS)
    if (this.#unknown.size > 1_000) this.#unknown.clear()
    this.#schemas = createSchemas(this.#specs)
  }

  async #fetchAll(missing: Required<WantedNames>): Promise<void> {
    const { plugins, vaults } = this.#specs
    this.#specs = await fetchSchemas(
      this.#client,
      [...Object.keys(plugins), ...missing.plugins],
      [...Object.keys(vaults), ...missing.vaults],
    )
    this.#fetchedAtMs = this.#clock.monotonic()
  }

  async #fetchNames({ plugins, vaults }: Required<WantedNames>): Promise<void> {
    const ofPlugins = await fetchSubschemas(this.#client, 'plugins', plugins)
    const ofVaults = await fetchSubschemas(this.#client, 'vaults', vaults)
    this.#specs = {
      kinds: this.#specs.kinds,
      plugins: { ...this.#specs.plugins, ...ofPlugins },
      vaults: { ...this.#specs.vaults, ...ofVaults },
    }
  }
}
