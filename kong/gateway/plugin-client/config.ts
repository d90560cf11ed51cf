import type { PluginConfiguration } from '../proxy/plugin.ts'

/** The configuration of a plugin as Kong hands it to a plugin server, JSON. Fields that are not set are left out. */
export function instanceConfig(
  { entity, key }: PluginConfiguration,
  sequence: number,
  workspaceId: string,
): string {
  const { config, route, service, consumer, instance_name } = entity
  return JSON.stringify({
    ...(withoutNulls(config) as object),
    route_id: route?.id,
    service_id: service?.id,
    consumer_id: consumer?.id,
    plugin_instance_name: instance_name ?? undefined,
    __plugin_id: entity.id,
    __ws_id: workspaceId,
    __key__: key,
    __seq__: sequence,
  })
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, one]) => one !== null && one !== undefined)
      .map(([name, one]) => [name, withoutNulls(one)]),
  )
}
