import { randomUUID } from 'node:crypto'
import { systemClock } from '../../foundation/clock.ts'
import { messageOf } from '../../foundation/errors.ts'
import { createLogger } from '../../foundation/log.ts'
import { createMetrics } from '../../foundation/metrics.ts'
import { idIn, type Row } from '../../kong/reconcile/change.ts'
import type { PluginCheck } from '../../kong/reconcile/resolve.ts'
import { createInstances } from '../../plugin-server/runtime/instances.ts'
import { type AnyPlugin, createRegistry } from '../../plugin-server/runtime/registry.ts'
import { MemoryStore } from '../../plugin-server/stores/memory.ts'
import { membersOf } from '../../sdk/compose.ts'
import type { Host } from '../../sdk/definition.ts'

/**
 * Runs `work` with the plugins' own checks: each makes an instance from a configuration, as the plugin server would,
 * and its refusal is the mistake. A schema cannot say that `default_tier` must name a tier.
 */
export async function withPluginChecks<T>(
  plugins: readonly AnyPlugin[],
  work: (check: PluginCheck) => Promise<T>,
): Promise<T> {
  const log = createLogger('silent', 2)
  const metrics = createMetrics()
  const host: Omit<Host, 'settings'> = {
    node: 'check',
    clock: systemClock,
    random: Math.random,
    log,
    metrics,
    store: new MemoryStore({ clock: systemClock, metrics }),
    events: { publish: async () => {} },
    fetch: () => Promise.reject(new Error('a check calls nobody')),
  }
  const definitions = plugins.flatMap(plugin => [
    plugin,
    ...membersOf(plugin).map(member => member.definition),
  ])
  const settingsOf = new Map(definitions.map(plugin => [plugin.name, placeholders(plugin)]))
  const registry = createRegistry(plugins, name => ({ ...host, settings: settingsOf.get(name) ?? {} }))
  const instances = createInstances(registry, systemClock)
  let id = 0
  try {
    return await work(fields => {
      const name = String(fields.name)
      if (!registry.plugins.has(name)) return undefined
      try {
        id++
        instances.adopt(id, instances.read(name, JSON.stringify(sentByKong(fields, id))))
        instances.forget(id)
        return undefined
      } catch (error) {
        return messageOf(error).replace(`${name}: `, '')
      }
    })
  } finally {
    await registry.close()
    await host.store.close()
  }
}

interface SettingSchema {
  readonly type?: string
  readonly default?: unknown
  readonly minimum?: number
}

/**
 * Values for the settings that a plugin declares: those of the server, its secrets above all, are not known here.
 * Doctor reports missing ones.
 */
function placeholders({ settings }: AnyPlugin): Readonly<Record<string, unknown>> {
  const schemas = (settings?.properties ?? {}) as Readonly<Record<string, SettingSchema>>
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [name, schema.default ?? placeholder(schema)]),
  )
}

function placeholder({ type, minimum = 1 }: SettingSchema): unknown {
  if (type === 'integer' || type === 'number') return minimum
  if (type === 'boolean') return false
  return type === 'array' ? [] : randomUUID().repeat(2)
}

/** The configuration with what Kong adds to it. */
function sentByKong({ config, ...fields }: Row, id: number): Row {
  const scope = ['service', 'route', 'consumer'].flatMap(field => {
    const referred = idIn(fields[field])
    return referred === undefined ? [] : [[`${field}_id`, referred] as const]
  })
  return { ...(config as Row | undefined), ...Object.fromEntries(scope), __plugin_id: `check-${id}` }
}
