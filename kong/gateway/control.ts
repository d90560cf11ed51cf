import type { RequestListener } from 'node:http'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { randomAuto } from '../entities/auto.ts'
import { schemaOnNode } from '../entities/plugin-rules.ts'
import { createEntitySchemas } from '../entities/schemas.ts'
import { findSchemaFault } from '../schema/metaschema.ts'
import type { SchemaSpec } from '../schema/spec.ts'
import { createDeclarativeConfig, type DeclarativeConfig } from './admin/config.ts'
import type { NodeInformation } from './admin/information.ts'
import { createAdminServer } from './admin/server.ts'
import { expressionFault } from './router/expression.ts'
import type { RouterFlavor } from './router/router.ts'
import { withServerNames } from './state/certificate-names.ts'
import { createTargetHealth, type TargetHealth } from './state/health.ts'
import { createMemoryState, type State } from './state/state.ts'
import { createEntityStore } from './state/store.ts'

/** A plugin that may be configured: a bundled one, or one of a plugin server. */
export interface ConfigurablePlugin {
  readonly schema: SchemaSpec
  readonly priority: number
  readonly version: string
  /** False for a plugin whose configuration is accepted, but which is not run. */
  readonly runs?: boolean
}

export interface ControlOptions {
  /** By name. */
  readonly plugins: Readonly<Record<string, ConfigurablePlugin>>
  /** `KONG_DATABASE=off`: the state comes from a declarative configuration, and single writes are refused. */
  readonly databaseLess: boolean
  /** Routes may have expressions with `expressions`. Default `traditional_compatible`. */
  readonly routerFlavor?: RouterFlavor
  /** The configuration to start with, JSON or YAML; only without a database. */
  readonly declaration?: string
  readonly node: Omit<NodeInformation, 'plugins' | 'notRun'>
  /** Milliseconds since the epoch, with fractions. */
  readonly now: () => number
  /** Told of failures inside the Admin API. */
  readonly onError: (error: unknown) => void
}

/** The half of the gateway that knows what is configured. The other half, the proxy, reads the state. */
export interface Control {
  readonly state: State
  /** Which targets the Admin API was told to take out of the balancing. */
  readonly health: TargetHealth
  /** The Admin API, to be mounted in an HTTP server. */
  readonly admin: RequestListener
}

/**
 * Joins state, schemas and Admin API.
 *
 * @throws SluiceError SLUICE_GATEWAY_CONFIG when the schema of a plugin or the declarative configuration is wrong.
 */
export function createControl(options: ControlOptions): Control {
  const { plugins, databaseLess, declaration, node, now, onError } = options
  refuseBrokenSchemas(plugins)
  const state = createMemoryState(now)
  const auto = randomAuto(now)
  const schemas = createEntitySchemas(
    Object.fromEntries(
      Object.entries(plugins).map(([name, { schema }]) => [
        name,
        schemaOnNode(name, schema, { databaseLess, auto }),
      ]),
    ),
    { checkExpression: options.routerFlavor === 'expressions' ? expressionFault : undefined },
  )
  const store = withServerNames(createEntityStore({ state, schemas, auto, readOnly: databaseLess }), state)
  const health = createTargetHealth()
  const config = databaseLess ? createDeclarativeConfig(state, store, auto) : undefined
  if (config && declaration !== undefined) load(config, declaration)
  const summaries = Object.fromEntries(
    Object.entries(plugins).map(([name, { priority, version }]) => [name, { priority, version }]),
  )
  const notRun = Object.keys(plugins).filter(name => plugins[name]?.runs === false)
  return {
    state,
    health,
    admin: createAdminServer({
      state,
      store,
      health,
      ...(config && { config }),
      node: { ...node, plugins: summaries, notRun },
      onError,
    }),
  }
}

function refuseBrokenSchemas(plugins: ControlOptions['plugins']): void {
  for (const [name, { schema }] of Object.entries(plugins)) {
    const fault = findSchemaFault(schema)
    if (fault) throw new SluiceError('SLUICE_GATEWAY_CONFIG', `schema of plugin '${name}': ${fault}`)
  }
}

function load(config: DeclarativeConfig, declaration: string): void {
  try {
    config.load(declaration)
  } catch (error) {
    throw new SluiceError('SLUICE_GATEWAY_CONFIG', messageOf(error), { cause: error })
  }
}
