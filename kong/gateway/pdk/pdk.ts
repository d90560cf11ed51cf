import { allow, type PdkEvent, type PdkHost, type PdkMethod } from './call.ts'
import { client } from './client.ts'
import { log } from './log.ts'
import { node } from './node.ts'
import { request } from './request.ts'
import { response } from './response.ts'
import { service } from './service.ts'

/** Calls that exist in Kong, and raise in every phase that a plugin server has. */
const never = allow([], {
  'kong.response.get_raw_body': () => undefined,
  'kong.response.set_raw_body': () => undefined,
})

/** Every call that a plugin server may make, by its name. */
export const PDK_METHODS: ReadonlyMap<string, PdkMethod> = new Map(
  Object.entries({ ...client, ...request, ...response, ...service, ...node, ...log, ...never }),
)

/** Calls that end the request: Kong never answers them, and the event is over. */
export const ENDING_METHODS: ReadonlySet<string> = new Set(['kong.response.exit', 'kong.response.error'])

/**
 * Answers a call of a plugin, at once or, where a body must be read, with a promise.
 *
 * @throws where Kong raises: in a phase that does not allow the call, and for arguments that it refuses.
 */
export function answerCall(
  { name, phases, answer }: PdkMethod,
  event: PdkEvent,
  host: PdkHost,
  args: readonly unknown[],
): unknown {
  if (!phases.includes(event.phase))
    throw new Error(
      `${name} cannot be called in ${event.phase} phase (only in: ${phases.join(', ') || 'none'})`,
    )
  return answer(event, host, args)
}
