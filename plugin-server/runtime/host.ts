import type { Host } from '../../sdk/definition.ts'

/** What the process shares between its plugins. */
export type HostParts = Omit<Host, 'settings'>

/**
 * What a plugin gets: a logger of its own, and its own settings. Nothing here leads to the settings of the server or
 * of another plugin.
 *
 * @param settings of each plugin, by its name.
 */
export function createHosts(
  parts: HostParts,
  settings: ReadonlyMap<string, Readonly<Record<string, unknown>>>,
): (plugin: string) => Host {
  const { node, clock, random, metrics, store, fetch } = parts
  // No more than their interface says, whatever the objects behind it hold.
  const events = { publish: parts.events.publish.bind(parts.events) }
  return plugin => ({
    node,
    settings: settings.get(plugin) ?? {},
    clock,
    random,
    log: parts.log.child({ plugin }),
    metrics,
    store,
    events,
    fetch,
  })
}
