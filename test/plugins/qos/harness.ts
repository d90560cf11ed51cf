import type { Clock } from '../../../foundation/clock.ts'
import { createMetrics } from '../../../foundation/metrics.ts'
import { readConfiguration } from '../../../plugin-server/runtime/configuration.ts'
import { MemoryStore } from '../../../plugin-server/stores/memory.ts'
import type { Config } from '../../../plugins/qos/config.ts'
import { QOS_EVENTS } from '../../../plugins/qos/events.ts'
import { plugin } from '../../../plugins/qos/plugin.ts'
import { type AccessKong, type Host, SluiceError, type Undo } from '../../../sdk/sdk.ts'
import type { Store } from '../../../sdk/store.ts'
import { recordEvents } from '../../support/events.ts'
import { createTestClock } from '../../support/test-clock.ts'

/** What is known of a request; all optional. */
export interface Asked {
  readonly consumer?: { id: string; username?: string; customId?: string; tags?: readonly string[] }
  readonly credentialId?: string
  readonly ip?: string
  readonly forwardedIp?: string
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly serviceId?: string
  readonly routeId?: string
  /** The write at which the event turns out to be over. */
  readonly overAt?: 'setHeaders' | 'setSerializeValue'
}

export interface Answered {
  /** 200 where the request went on. */
  readonly status: number
  readonly body: Record<string, unknown> | undefined
  readonly headers: Readonly<Record<string, string | number>>
  /** What the field RateLimit says is left, and RateLimit-Policy is admitted, by the names of the limits. */
  readonly left: Readonly<Record<string, number>>
  readonly quota: Readonly<Record<string, number>>
  /** PDK calls, in order. */
  readonly calls: readonly string[]
  /** Takes back what the handler did; of a request that went on. */
  readonly undo?: Undo
}

const SILENT = { info() {}, debug() {}, warn() {}, error() {}, fatal() {}, trace() {} }

/** One process with the plugin, on a clock that the test moves. */
export function createNode(
  options: { store?: Store; clock?: Clock; maker?: typeof createMetrics; definition?: typeof plugin } = {},
) {
  const { definition = plugin } = options
  const clock = createTestClock()
  const metrics = createMetrics()
  const events = recordEvents(QOS_EVENTS)
  const store = options.store ?? new MemoryStore({ clock, metrics })
  const host = {
    node: 'node-1',
    clock: options.clock ?? clock,
    random: () => 0,
    log: SILENT,
    metrics,
    store,
    events,
  } as unknown as Host
  const memory = definition.memory!(host)
  return {
    clock,
    events,
    metrics,
    memory,
    store,
    /** Puts a configuration in force, as Kong would send it. */
    configure(sent: Readonly<Record<string, unknown>>) {
      const { config, scope } = readConfiguration('qos', definition.config, JSON.stringify(sent))
      const instance = definition.instance!(config as Config, { host, memory, scope })
      return async (asked: Asked = {}): Promise<Answered> => {
        const seen = createKong(asked)
        try {
          const undo = (await definition.phases.access!(seen.kong, {
            onRollback: () => {},
            elapsedMs: () => 0,
            config: config as Config,
            scope,
            memory,
            instance,
            log: host.log,
          })) as Undo
          return { status: 200, body: undefined, calls: seen.calls, undo, ...read(seen.headers) }
        } catch (error) {
          if (!(error instanceof Exited)) throw error
          return { ...error.answer, calls: seen.calls, ...read(error.answer.headers) }
        }
      }
    },
    close: () => memory.close(),
  }
}

/** Reads the two fields of the IETF: `"minute";r=12;t=30, "hour";r=4;t=7200`. */
function read(headers: Answered['headers']) {
  const numbers = (field: string, parameter: string) =>
    Object.fromEntries(
      [...String(headers[field]).matchAll(new RegExp(`"([^"]+)"[^,]*?;${parameter}=(\\d+)`, 'g'))].map(
        ([, name, number]) => [name, Number(number)],
      ),
    )
  return { headers, left: numbers('RateLimit', 'r'), quota: numbers('RateLimit-Policy', 'q') }
}

type Exit = Pick<Answered, 'status' | 'body' | 'headers'>

class Exited extends Error {
  readonly answer: Exit
  constructor(answer: Exit) {
    super('exit')
    this.answer = answer
  }
}

function createKong(asked: Asked) {
  const calls: string[] = []
  const headers: Record<string, string | number> = {}
  const give =
    <T>(name: string, value: T) =>
    async () => {
      calls.push(name)
      return value
    }
  const write = (name: Asked['overAt']) => {
    calls.push(String(name))
    if (asked.overAt === name) throw new SluiceError('SLUICE_PDK_CLOSED', 'called after its event had ended')
  }
  const kong = {
    client: {
      getConsumer: give('getConsumer', asked.consumer && { tags: [], ...asked.consumer }),
      getCredential: give('getCredential', asked.credentialId && { id: asked.credentialId }),
      getIp: give('getIp', asked.ip ?? '192.0.2.1'),
      getForwardedIp: give('getForwardedIp', asked.forwardedIp ?? asked.ip ?? '192.0.2.1'),
    },
    request: {
      getMethod: give('getMethod', asked.method ?? 'GET'),
      getPath: give('getPath', asked.path ?? '/'),
      getHeader: async (name: string) => {
        calls.push('getHeader')
        return asked.headers?.[name]
      },
      getHeaders: give('getHeaders', asked.headers ?? {}),
    },
    router: {
      getService: give('getService', asked.serviceId && { id: asked.serviceId }),
      getRoute: give('getRoute', asked.routeId && { id: asked.routeId }),
    },
    loopbackOrigin: give('loopbackOrigin', undefined),
    log: { setSerializeValue: () => write('setSerializeValue') },
    response: {
      setHeaders(values: Record<string, string | number>) {
        write('setHeaders')
        Object.assign(headers, values)
      },
      exit(status: number, body: string, values: Record<string, string | number>): never {
        calls.push('exit')
        throw new Exited({ status, body: JSON.parse(body), headers: values })
      },
    },
  } as unknown as AccessKong
  return { kong, calls, headers }
}

export const ALICE = { consumer: { id: 'c-alice', username: 'alice' } }
export const GOLDIE = { consumer: { id: 'c-goldie', username: 'goldie', tags: ['tier:gold'] } }

/** A configuration with one tier `free` of one limit. */
export function oneLimit(
  limit: Readonly<Record<string, unknown>>,
  more: Readonly<Record<string, unknown>> = {},
) {
  return { tiers: { free: { limits: [{ name: 'minute', ...limit }] } }, default_tier: 'free', ...more }
}
