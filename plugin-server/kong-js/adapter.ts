/**
 * The other way round: a plugin of ours as a module for Kong's own JavaScript plugin server (`kong-js-pluginserver`).
 *
 * The same runtime runs the phases, with the same deadlines and failure policies; only the way to Kong is that
 * server's PDK object instead of a socket.
 */
import { systemClock } from '../../foundation/clock.ts'
import { messageOf } from '../../foundation/errors.ts'
import { createLogger } from '../../foundation/log.ts'
import { createMetrics } from '../../foundation/metrics.ts'
import { readSettings } from '../../foundation/settings.ts'
import type { Exchange, Method, ReplySink } from '../../protocol/calls.ts'
import type { Phase } from '../../protocol/pdk/phases.ts'
import { phasesOf } from '../../protocol/pdk/table.ts'
import { startCore } from '../core.ts'
import { describePlugin } from '../runtime/info.ts'
import type { AnyPlugin } from '../runtime/registry.ts'
import type { Runtime } from '../runtime/runtime.ts'

/** The PDK object of Kong's server: any path of names is a call. */
type KongJs = { readonly [name: string]: KongJs } & ((...args: unknown[]) => Promise<unknown>)

export interface KongJsExports {
  readonly Name: string
  readonly Version: string
  readonly Priority: number
  /** Kong's fields of the record `config`. */
  readonly Schema: readonly unknown[]
  readonly Plugin: new (config: unknown) => object
}

const NO_INSTANCE = '{"message":"An unexpected error occurred"}'
const JSON_HEADERS = { 'content-type': 'application/json; charset=utf-8' }
const mayExit: ReadonlySet<Phase> = new Set(phasesOf('kong.response.exit'))

/** The exports that Kong's server wants of a module. The settings come from the environment, as for `sluice serve`. */
export function toKongJsModule(definition: AnyPlugin): KongJsExports {
  const dump = describePlugin(definition)
  const config = dump.Schema.fields.find(field => 'config' in field)?.config
  let starting: Promise<Runtime> | undefined

  class Plugin {
    readonly #instance: Promise<{ runtime: Runtime; id: number }>
    constructor(config: unknown) {
      starting ??= startRuntime(definition)
      this.#instance = starting.then(async runtime => {
        const { id } = await runtime.handler.startInstance(definition.name, JSON.stringify(config))
        return { runtime, id }
      })
      // Kong's server has no way to say that an instance can't start; each event says it instead.
      this.#instance.catch(() => {})
    }
    async run(phase: Phase, kong: KongJs): Promise<void> {
      let begun = false
      try {
        const { runtime, id } = await this.#instance
        await new Promise<void>(resolve => {
          begun = runtime.handler.handleEvent(id, phase, new KongJsExchange(kong, resolve)) !== undefined
          if (!begun) resolve()
        })
      } finally {
        // That server lets the request pass where a plugin throws; Kong would not, without an instance.
        if (!begun && mayExit.has(phase)) void kong.response!.exit!(500, NO_INSTANCE, JSON_HEADERS)
      }
    }
  }
  // Kong's server looks for the phases on the prototype.
  for (const phase of dump.Phases)
    Object.defineProperty(Plugin.prototype, phase, {
      value(this: Plugin, kong: KongJs) {
        return this.run(phase, kong)
      },
    })

  return {
    Name: dump.Name,
    Version: dump.Version,
    Priority: dump.Priority,
    Schema: (config?.fields ?? []) as readonly unknown[],
    Plugin,
  }
}

/** One event, spoken through the PDK of Kong's server, which can hold one call at a time. */
class KongJsExchange implements Exchange {
  readonly protocol = 'MsgPack:1'
  readonly #kong: KongJs
  readonly #done: () => void
  #last: Promise<void> = Promise.resolve()

  constructor(kong: KongJs, done: () => void) {
    this.#kong = kong
    this.#done = done
  }

  call(method: Method, args: readonly unknown[], reply?: ReplySink): void {
    this.#last = this.#last.then(async () => {
      try {
        const answer = await this.#callOf(method)(...args)
        reply?.reply(answer)
      } catch (error) {
        reply?.reply(error instanceof Error ? error : new Error(messageOf(error)))
      }
    })
  }

  flush(): void {}

  end(): void {
    this.#last = this.#last.then(this.#done)
  }

  #callOf(method: Method): KongJs {
    const [, ...names] = method.split('.')
    return names.reduce((target, name) => target[name]!, this.#kong)
  }
}

async function startRuntime(definition: AnyPlugin): Promise<Runtime> {
  const settings = readSettings()
  // Kong's server answers `dump` on stdout, so the log goes to stderr.
  const log = createLogger(settings.logLevel, 2)
  const parts = { clock: systemClock, random: Math.random, log, metrics: createMetrics() }
  return (await startCore(settings, [definition], parts)).runtime
}
