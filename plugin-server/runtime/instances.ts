/**
 * The instances of this process: each of Kong's workers starts its own, and those of one plugin entity with the same
 * configuration are one here. Which id an instance has, and how long it is kept, stands in the table.
 */
import { createHash } from 'node:crypto'
import type { Clock } from '../../foundation/clock.ts'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import type { InstanceStatus } from '../../protocol/calls.ts'
import type { Phase } from '../../protocol/pdk/phases.ts'
import type { SharedContext as CommonContext, FailurePolicy, InstanceScope } from '../../sdk/definition.ts'
import { readConfiguration } from './configuration.ts'
import { MemberDeadlines } from './member-deadlines.ts'
import type { AnyPlugin, RegisteredPlugin, Registry } from './registry.ts'

export interface Instance {
  readonly id: number
  /** Those who act in this instance's events, in order: one plugin, or the members of a composed one. */
  readonly members: readonly Member[]
  readonly plugin: RegisteredPlugin
  /** One of the members has the failure policy `closed`. */
  readonly failsClosed: boolean
  /** None of the members' log phases says anything to Kong but what it needs to ask. */
  readonly endsLogFirst: boolean
  readonly startedAtMs: number
}

export interface Member {
  readonly plugin: RegisteredPlugin
  readonly onError: FailurePolicy
  readonly context: MemberContext
  readonly deadlines: MemberDeadlines
  /** What the handler of a phase is given. */
  readonly contextOf: (phase: Phase) => SharedContext
}

export type SharedContext = CommonContext<unknown, unknown, unknown>

interface MemberContext {
  readonly config: Readonly<Record<string, unknown>>
  readonly scope: InstanceScope
  readonly memory: unknown
  readonly instance: unknown
}

interface Held extends Instance {
  usedAtMs: number
}

/** A configuration that was read and found good. */
export interface ReadInstance {
  readonly plugin: RegisteredPlugin
  readonly config: Readonly<Record<string, unknown>>
  readonly scope: InstanceScope
  /** Equal for equal configurations of one plugin entity, whichever of Kong's workers sent them. */
  readonly key: string
  /** Plugin name and entity, to know an instance whose configuration has been replaced. */
  readonly entity: string
}

export interface Instances {
  readonly size: number
  /** @throws SLUICE_PLUGIN_UNKNOWN, SLUICE_PLUGIN_CONFIG */
  read(name: string, json: string): ReadInstance
  /**
   * Makes the instance under an id; one that is there stays.
   *
   * @throws SLUICE_PLUGIN_CONFIG where the plugin refuses the configuration.
   */
  adopt(id: number, read: ReadInstance): InstanceStatus
  find(id: number): Instance | undefined
  status(id: number): InstanceStatus | undefined
  ids(): readonly number[]
  /** Milliseconds since the epoch; 0 for an instance that is not there. */
  usedAtMs(id: number): number
  forget(id: number): void
}

export function createInstances(registry: Registry, clock: Clock): Instances {
  const byId = new Map<number, Held>()
  const statusOf = (held: Held): InstanceStatus => ({
    name: held.plugin.definition.name,
    id: held.id,
    startedAt: Math.floor(held.startedAtMs / 1000),
  })
  return {
    get size() {
      return byId.size
    },
    read(name, json) {
      const plugin = registry.find(name)
      const { config, scope, identity } = readConfiguration(name, plugin.definition.config, json)
      const entity = `${name}\0${scope.pluginId}`
      const digest = createHash('sha256').update(identity).digest('base64')
      return { plugin, config, scope, key: `${entity}\0${digest}`, entity }
    },
    adopt(id, { plugin, config, scope }) {
      const known = byId.get(id)
      if (known) return statusOf(known)
      const now = clock.now()
      const members = createMembers(plugin, config, scope)
      const failsClosed = members.some(member => member.onError === 'closed')
      const endsLogFirst = members.every(member => endsFirst(member))
      const held: Held = { id, members, plugin, failsClosed, endsLogFirst, startedAtMs: now, usedAtMs: now }
      byId.set(id, held)
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
    ids: () => [...byId.keys()],
    usedAtMs: id => byId.get(id)?.usedAtMs ?? 0,
    forget(id) {
      const held = byId.get(id)
      if (!held) return
      byId.delete(id)
      for (const member of held.members) void closeInstance(member)
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
  const onError = failurePolicy(definition, config)
  const context = { config, scope, memory, instance }
  const shared = new Map<Phase, SharedContext>()
  const contextOf = (phase: Phase) => {
    let own = shared.get(phase)
    if (!own) {
      own = phaseContextOf(context, host.log, phase)
      shared.set(phase, own)
    }
    return own
  }
  return { plugin, onError, context, contextOf, deadlines: new MemberDeadlines(definition, config) }
}

/** The configuration's field overrides the default, where the plugin declares one of that name. */
function failurePolicy({ config: declared, onError = 'closed' }: AnyPlugin, config: MemberContext['config']) {
  const asked = 'on_error' in (declared.properties ?? {}) ? config.on_error : undefined
  return asked === 'open' || asked === 'closed' ? asked : onError
}

function endsFirst({ plugin: { definition }, context }: Member): boolean {
  const { endsLogFirst = false, phases } = definition
  if (!phases.log) return true
  return typeof endsLogFirst === 'function' ? endsLogFirst(context.config) : endsLogFirst
}

/** The logger is made only where it is used. */
function phaseContextOf(context: MemberContext, log: Logger, phase: Phase): SharedContext {
  let own: Logger | undefined
  return {
    ...context,
    get log() {
      own ??= log.child({ phase })
      return own
    },
  }
}

/** Never rejects. */
async function closeInstance(member: Member): Promise<void> {
  const { instance } = member.context
  if (typeof instance !== 'object' || instance === null || !('close' in instance)) return
  if (typeof instance.close !== 'function') return
  try {
    await instance.close()
  } catch (error) {
    member.plugin.host.log.warn({ reason: messageOf(error) }, 'closing an instance failed')
  }
}
