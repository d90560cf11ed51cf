const STEP_MS = 100
const MAX_STEPS = 100

interface Instance {
  /** Undefined while it is being started. */
  id: number | undefined
  sequence: number
  /** Set when it was started: an instance that is being started is not reset. */
  plugin?: string
}

export interface InstanceRequest {
  /** Name of the plugin. */
  readonly plugin: string
  /** Id of the plugin's entity. */
  readonly key: string
  /** Differs from one configuration to the next. */
  readonly sequence: number
  readonly start: () => Promise<number>
  readonly close: (instanceId: number) => Promise<void>
}

/** A claim on an instance that somebody else was starting was given up. */
export class ClaimError extends Error {}

/** The instances of one of Kong's workers (kong/runloop/plugin_servers/plugin.lua of 3.9). */
export class WorkerInstances {
  readonly #running = new Map<string, Instance>()
  readonly #sleep: (ms: number) => Promise<void>

  constructor(sleep: (ms: number) => Promise<void>) {
    this.#sleep = sleep
  }

  /** The id of an instance with this configuration, where one is known. */
  find(key: string, sequence: number): number | undefined {
    const instance = this.#running.get(key)
    return instance?.sequence === sequence ? instance.id : undefined
  }

  /**
   * Starts an instance, or waits for the one that another request is starting, and closes the one before.
   *
   * @throws ClaimError after ten seconds of waiting; whatever `start` throws.
   */
  async start(request: InstanceRequest): Promise<number> {
    const { key, sequence, plugin } = request
    let instance = this.#running.get(key)
    for (let steps = 1; instance && instance.id === undefined; steps++) {
      await this.#sleep(STEP_MS)
      if (steps > MAX_STEPS) {
        this.#running.delete(key)
        throw new ClaimError(`Could not claim instance_id for ${plugin} (key: ${key})`)
      }
      instance = this.#running.get(key)
    }
    if (instance?.id !== undefined && instance.sequence === sequence) return instance.id

    const before = instance?.id
    if (instance) instance.id = undefined
    else {
      instance = { id: undefined, sequence }
      this.#running.set(key, instance)
    }
    let id: number
    try {
      id = await request.start()
    } catch (error) {
      this.#running.delete(key)
      throw error
    }
    instance.id = id
    instance.sequence = sequence
    instance.plugin = plugin
    if (before !== undefined) await request.close(before)
    return id
  }

  /** Forgets all instances of a plugin, without telling the plugin server. */
  reset(plugin: string): void {
    for (const [key, instance] of this.#running) if (instance.plugin === plugin) this.#running.delete(key)
  }
}
