/**
 * The instances that Kong's workers started.
 *
 * Each worker starts its own; those of one plugin entity with the same configuration are one here. Kong closes an
 * instance that it replaces, but never one that it reset or whose plugin was deleted, so the rest is collected by use.
 */
import { createHash } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { messageOf, SluiceError } from '../errors.ts'
import type { FailurePolicy, InstanceScope } from '../sdk.ts'
import type { InstanceStatus } from '../transport/calls.ts'
import { readConfiguration } from './configuration.ts'
import type { RegisteredPlugin, Registry } from './registry.ts'

export interface Instance {
  readonly id: number
  /** Those who act in this instance's events, in order: one plugin, or the members of a composed one. */
  readonly members: readonly Member[]
  readonly plugin: RegisteredPlugin
  readonly startedAtMs: number
}

export interface Member {
  readonly plugin: RegisteredPlugin
  readonly onError: FailurePolicy
  readonly context: {
    readonly config: Readonly<Record<string, unknown>>
    readonly scope: InstanceScope
    readonly memory: unknown
    readonly instance: unknown
  }
}

interface Held extends Instance {
  readonly key: string
  /** Plugin name and entity, to know an instance whose configuration has been replaced. */
  readonly entity: string
  references: number
  superseded: boolean
  usedAtMs: number
}

/** How long an instance is kept without an event: after Kong closed it, after a newer one replaced it, otherwise. */
const KEEP_CLOSED_MS = 60_000
const KEEP_SUPERSEDED_MS = 600_000
const KEEP_UNUSED_MS = 6 * 3_600_000

export interface Instances {
  readonly size: number
  /** @throws SLUICE_PLUGIN_UNKNOWN, SLUICE_PLUGIN_CONFIG */
  start(name: string, json: string): InstanceStatus
  find(id: number): Instance | undefined
  status(id: number): InstanceStatus | undefined
  close(id: number): InstanceStatus | undefined
  /** Forgets what has not been used for long. Returns how many. */
  collect(): number
}

/** @param firstId random in int32, so that ids do not repeat after a restart. */
export function createInstances(registry: Registry, clock: Clock, firstId: number): Instances {
  const byId = new Map<number, Held>()
  const byKey = new Map<string, Held>()
  let nextId = firstId

  const takeId = () => {
    let id = nextId
    // Not 0, which ProtoBuf leaves out, and no negative ones.
    do id = id >= 0x7fff_ffff || id < 1 ? 1 : id + 1
    while (byId.has(id))
    nextId = id
    return id
  }
  const statusOf = (held: Held): InstanceStatus => ({
    name: held.plugin.definition.name,
    id: held.id,
    startedAt: Math.floor(held.startedAtMs / 1000),
  })
  const forget = (held: Held) => {
    byId.delete(held.id)
    if (byKey.get(held.key) === held) byKey.delete(held.key)
    for (const member of held.members) closeInstance(member)
  }

  return {
    get size() {
      return byId.size
    },
    start(name, json) {
      const plugin = registry.find(name)
      const { config, scope, identity } = readConfiguration(name, plugin.definition.config, json)
      const entity = `${name}\0${scope.pluginId}`
      const key = `${entity}\0${createHash('sha256').update(identity).digest('base64')}`
      const now = clock.now()
      const known = byKey.get(key)
      if (known) {
        known.references++
        known.usedAtMs = now
        known.superseded = false
        return statusOf(known)
      }
      const members = createMembers(plugin, config, scope)
      for (const held of byId.values()) if (held.entity === entity) held.superseded = true
      const held: Held = {
        id: takeId(),
        members,
        plugin,
        startedAtMs: now,
        key,
        entity,
        references: 1,
        superseded: false,
        usedAtMs: now,
      }
      byId.set(held.id, held)
      byKey.set(key, held)
      return statusOf(held)
    },
    find(id) {
      const held = byId.get(id)
      if (held) held.usedAtMs = clock.now()
      return held
    },
    status(id) {
      const held = byId.get(id)
      return held && statusOf(held)
    },
    close(id) {
      const held = byId.get(id)
      if (!held) return undefined
      // Kept for a while: a request of the same worker may already hold the id.
      held.references = Math.max(0, held.references - 1)
      return statusOf(held)
    },
    collect() {
      const now = clock.now()
      let collected = 0
      for (const held of byId.values()) {
        const keep =
          held.references === 0 ? KEEP_CLOSED_MS : held.superseded ? KEEP_SUPERSEDED_MS : KEEP_UNUSED_MS
        if (now - held.usedAtMs <= keep) continue
        forget(held)
        collected++
      }
      return collected
    },
  }
}

function createMembers(
  plugin: RegisteredPlugin,
  config: Readonly<Record<string, unknown>>,
  scope: InstanceScope,
): Member[] {
  if (plugin.members.length === 0) return [createMember(plugin, config, scope)]
  const configured = plugin.members.filter(({ field }) => config[field] !== undefined)
  if (configured.length === 0) {
    const fields = plugin.members.map(({ field }) => `config.${field}`).join(', ')
    throw new SluiceError('SLUICE_PLUGIN_CONFIG', `${plugin.definition.name}: give at least one of ${fields}`)
  }
  return configured.map(({ field, plugin: member }) =>
    createMember(member, config[field] as Readonly<Record<string, unknown>>, scope),
  )
}

/** @throws SLUICE_PLUGIN_CONFIG where the plugin refuses the configuration. */
export function createMember(
  plugin: RegisteredPlugin,
  config: Readonly<Record<string, unknown>>,
  scope: InstanceScope,
): Member {
  const { definition, host, memory } = plugin
  let instance: unknown
  try {
    instance = definition.instance?.(config, { host, memory, scope })
  } catch (error) {
    throw new SluiceError('SLUICE_PLUGIN_CONFIG', `${definition.name}: ${messageOf(error)}`, { cause: error })
  }
  const asked = config.on_error
  const onError = asked === 'open' || asked === 'closed' ? asked : (definition.onError ?? 'closed')
  return { plugin, onError, context: { config, scope, memory, instance } }
}

function closeInstance(member: Member): void {
  const { instance } = member.context
  if (typeof instance !== 'object' || instance === null || !('close' in instance)) return
  if (typeof instance.close !== 'function') return
  try {
    void instance.close()
  } catch (error) {
    member.plugin.host.log.warn({ reason: messageOf(error) }, 'an instance did not close')
  }
}
