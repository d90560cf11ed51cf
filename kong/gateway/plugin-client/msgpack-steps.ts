import { Nil, type PdkEvent, type PdkHost } from '../pdk/call.ts'
import { answerCall, ENDING_METHODS, PDK_METHODS } from '../pdk/pdk.ts'
import { MapTable } from './pack.ts'

const MULTI_MAP = 'StepMultiMap'
const STEPS: Readonly<Record<string, string>> = {
  'kong.client.get_credential': 'StepCredential',
  'kong.client.load_consumer': 'StepConsumer',
  'kong.client.get_consumer': 'StepConsumer',
  'kong.client.authenticate': 'StepCredential',
  'kong.node.get_memory_stats': 'StepMemoryStats',
  'kong.router.get_route': 'StepRoute',
  'kong.router.get_service': 'StepService',
  'kong.request.get_query': MULTI_MAP,
  'kong.request.get_headers': MULTI_MAP,
  'kong.response.get_headers': MULTI_MAP,
  'kong.service.response.get_headers': MULTI_MAP,
}

/** A nil hides what follows it from Lua's `unpack`. */
function truncated(args: readonly unknown[] | undefined): readonly unknown[] {
  if (!Array.isArray(args)) return args === undefined || args === null ? [] : [args]
  const nil = args.findIndex(argument => argument === null || argument === undefined)
  return nil < 0 ? args : args.slice(0, nil)
}

/** A call as a plugin server makes it. */
export interface PdkCall {
  readonly name: string
  readonly args: readonly unknown[] | undefined
}

export interface StepAnswer {
  /** The RPC method that carries it. */
  readonly step: string
  /** Undefined for nil, which leaves the field out. */
  readonly data: unknown
}

/**
 * How Kong answers a call: undefined when it never does, since the request has ended.
 *
 * @throws where Kong raises.
 */
export async function stepOf(
  { name, args }: PdkCall,
  event: PdkEvent,
  host: PdkHost,
  onUnknownMethod: (method: string) => void,
): Promise<StepAnswer | undefined> {
  const method = PDK_METHODS.get(name)
  const step = STEPS[name] ?? 'Step'
  if (!method) {
    onUnknownMethod(name)
    return { step, data: undefined }
  }
  const value = await answerCall(method, event, host, truncated(args))
  if (ENDING_METHODS.has(name)) return undefined
  if (value instanceof Nil) {
    // Kong's encoder can't make bytes of a nil.
    if (name === 'kong.request.get_raw_body') throw new Error(value.error)
    return { step, data: undefined }
  }
  return { step, data: step === MULTI_MAP ? multiMap(value as Record<string, unknown>) : value }
}

/** A single value is a list of one, and an argument without a value an empty list. */
function multiMap(values: Readonly<Record<string, unknown>>): MapTable {
  return new MapTable(
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => [
        name,
        value === true ? [] : typeof value === 'string' ? [value] : value,
      ]),
    ),
  )
}
