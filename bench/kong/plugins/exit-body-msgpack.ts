import { plugin as exitBody } from './exit-body.ts'

/** The same, for Kong to be told of another protocol. */
export const plugin = { ...exitBody, name: 'exit-body-msgpack' }
