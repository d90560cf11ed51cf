import type { SchemaSpec } from '../../schema/spec.ts'
import { acl } from './acl.ts'
import { basicAuth } from './basic-auth.ts'
import { correlationId } from './correlation-id.ts'
import { jwt } from './jwt.ts'
import { keyAuth } from './key-auth.ts'
import { requestTermination } from './request-termination.ts'

/** A plugin that the gateway brings along. */
export interface BuiltinPlugin {
  readonly schema: SchemaSpec
  /** Plugins with a higher one run earlier. Kong's own numbers. */
  readonly priority: number
  readonly version: string
}

const version = '3.9.3'

export const BUILTIN_PLUGINS: Readonly<Record<string, BuiltinPlugin>> = {
  acl: { schema: acl, priority: 950, version },
  'basic-auth': { schema: basicAuth, priority: 1100, version },
  'correlation-id': { schema: correlationId, priority: 100_001, version },
  jwt: { schema: jwt, priority: 1450, version },
  'key-auth': { schema: keyAuth, priority: 1250, version },
  'request-termination': { schema: requestTermination, priority: 2, version },
}
