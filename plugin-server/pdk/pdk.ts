/** The PDK object that a handler gets: one object a namespace, made when it is first used. */
import { CALLS, type Call } from '../../protocol/pdk/table.ts'
import type { FullKong, Need } from '../../sdk/kong.ts'
import type { LoopbackRequest } from '../../sdk/loopback.ts'
import { CALL_KINDS } from './call-kinds.ts'
import type { Conversation } from './conversation.ts'
import { callLoopback, loopbackOrigin } from './loopback-calls.ts'
import { CONVERSATION, type PdkNamespace } from './namespace.ts'

type NamespaceClass = new (conversation: Conversation) => PdkNamespace

/** Makes the class of one namespace: its calls on the prototype, its inner namespaces behind getters. */
function createNamespace(prefix: string): NamespaceClass {
  class Namespace implements PdkNamespace {
    readonly [CONVERSATION]: Conversation
    constructor(conversation: Conversation) {
      this[CONVERSATION] = conversation
    }
  }
  const inner = new Set<string>()
  for (const call of CALLS) {
    if (!call.path.startsWith(prefix)) continue
    const [name, ...rest] = call.path.slice(prefix.length).split('.') as [string, ...string[]]
    if (rest.length > 0) inner.add(name)
    else defineCall(Namespace, name, call)
  }
  for (const name of inner) defineInner(Namespace, name, createNamespace(`${prefix}${name}.`))
  return Namespace
}

function defineCall(namespace: NamespaceClass, name: string, call: Call): void {
  Object.defineProperty(namespace.prototype, name, { value: CALL_KINDS[call.row.kind](call) })
}

function defineInner(namespace: NamespaceClass, name: string, Inner: NamespaceClass): void {
  const slot = Symbol(name)
  Object.defineProperty(namespace.prototype, name, {
    get(this: PdkNamespace & { [slot: symbol]: PdkNamespace | undefined }) {
      const made = this[slot]
      if (made) return made
      // Of the prototype, what is made here would be everybody's.
      if (this[CONVERSATION] === undefined) return undefined
      const fresh = new Inner(this[CONVERSATION])
      this[slot] = fresh
      return fresh
    },
  })
}

const Root = createNamespace('')
Object.defineProperty(Root.prototype, 'requestId', {
  value(this: PdkNamespace) {
    return this[CONVERSATION].requestId()
  },
})
Object.defineProperty(Root.prototype, 'loopback', {
  value(this: PdkNamespace, request: LoopbackRequest) {
    return callLoopback(this[CONVERSATION], request)
  },
})
Object.defineProperty(Root.prototype, 'loopbackOrigin', {
  value(this: PdkNamespace) {
    return loopbackOrigin(this[CONVERSATION])
  },
})

/** All calls are there in every phase; one that the phase does not allow is refused when it is made. */
export function createPdk(conversation: Conversation): FullKong {
  return new Root(conversation) as unknown as FullKong
}

const NEEDED: Readonly<Record<Extract<Need, string>, (pdk: FullKong) => Promise<unknown>>> = {
  'client.getConsumer': pdk => pdk.client.getConsumer(),
  'client.getCredential': pdk => pdk.client.getCredential(),
  'router.getService': pdk => pdk.router.getService(),
  'router.getRoute': pdk => pdk.router.getRoute(),
  'log.serialize': pdk => pdk.log.serialize(),
}

/** Makes the read of a declared need, so that its answer is under way before the handler asks for it. */
export function prefetch(pdk: FullKong, need: Need): void {
  if (typeof need === 'string') void NEEDED[need](pdk)
  else if (need[0] === 'request.getHeader') void pdk.request.getHeader(need[1])
  else void pdk.ctx.shared.get(need[1])
}
