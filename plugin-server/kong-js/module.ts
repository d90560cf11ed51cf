/** Plugins that were written for Kong's JavaScript plugin server: `Plugin`, `Name`, `Version`, `Priority`, `Schema`. */

import { SluiceError } from '../../foundation/errors.ts'
import type { Settings } from '../../foundation/settings.ts'
import { Type } from '../../foundation/typebox.ts'
import type { Phase } from '../../protocol/pdk/phases.ts'
import type { FailurePolicy } from '../../sdk/definition.ts'
import type { AnyPlugin } from '../runtime/registry.ts'
import { createKongJs } from './kong.ts'

const PHASES: readonly Phase[] = ['certificate', 'rewrite', 'access', 'response', 'preread', 'log']

/** What such a module exports. */
interface KongJsModule {
  readonly Plugin: new (config: unknown) => Record<string, unknown>
  readonly Name?: unknown
  readonly Version?: unknown
  readonly Priority?: unknown
  readonly Schema?: unknown
}

export function isKongJsModule(exported: unknown): exported is KongJsModule {
  return typeof (exported as KongJsModule | undefined)?.Plugin === 'function'
}

/** How the operator wants these plugins to be treated; they can't say it themselves. */
export interface KongJsOptions {
  readonly onError: FailurePolicy
  /** How long a phase may take, milliseconds. */
  readonly deadlineMs: number
}

/** Of settings in which a wrong one may be missing. */
export function kongJsOptions(
  settings: Partial<Pick<Settings, 'pluginsOnError' | 'pluginsDeadlineMs'>>,
): KongJsOptions {
  const { pluginsOnError: onError = DEFAULTS.onError, pluginsDeadlineMs: deadlineMs = DEFAULTS.deadlineMs } =
    settings
  return { onError, deadlineMs }
}

/** Kong waits for an answer this long, and over MsgPack:1 lets the request pass then. */
const KONG_WAITS_MS = 60_000
/** So an answer must come before. */
const AHEAD_OF_KONG_MS = 1000

const DEFAULTS: KongJsOptions = { onError: 'closed', deadlineMs: KONG_WAITS_MS }

/**
 * Wraps a module as a plugin of ours. Its constructor gets the configuration with Kong's own fields, as it does in
 * Kong's server.
 *
 * @param fileName names the plugin when the module has no `Name`.
 * @throws SluiceError SLUICE_PLUGIN_LOAD for a module without a phase, or with a `Schema` that is no list.
 */
export function fromKongJsModule(
  module: KongJsModule,
  fileName: string,
  options: KongJsOptions = DEFAULTS,
): AnyPlugin {
  const { Plugin, Schema = [] } = module
  const phases = PHASES.filter(phase => typeof Plugin.prototype[phase] === 'function')
  if (phases.length === 0)
    throw new SluiceError(
      'SLUICE_PLUGIN_LOAD',
      `its class Plugin has none of the phases ${PHASES.join(', ')}`,
    )
  if (!Array.isArray(Schema))
    throw new SluiceError('SLUICE_PLUGIN_LOAD', "its Schema must be a list of Kong's field definitions")
  const deadlineMs = Math.min(options.deadlineMs, KONG_WAITS_MS - AHEAD_OF_KONG_MS)
  return {
    name: String(module.Name ?? fileName).toLowerCase(),
    version: String(module.Version ?? '0.0.0'),
    priority: Number(module.Priority ?? 0),
    // Kong checks the configuration by the module's own schema; what it lets through goes on as it is.
    config: Type.Object({}, { additionalProperties: true, kong: { fields: Schema } }),
    onError: options.onError,
    deadlineMs: Object.fromEntries(phases.map(phase => [phase, deadlineMs])),
    instance: config => new Plugin(config),
    phases: Object.fromEntries(
      phases.map(phase => [
        phase,
        async (kong: object, { instance }: { instance: Record<string, (kong: object) => unknown> }) => {
          await instance[phase]!(createKongJs(kong))
        },
      ]),
    ),
  }
}
