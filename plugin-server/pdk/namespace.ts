import type { Conversation } from './conversation.ts'

/** What every namespace of the PDK object holds. */
export interface PdkNamespace {
  readonly [CONVERSATION]: Conversation
}

/** Not a name, so that a plugin can't reach past the calls by accident. */
export const CONVERSATION = Symbol('conversation')

export type PdkFunction = (this: PdkNamespace, ...args: unknown[]) => unknown
