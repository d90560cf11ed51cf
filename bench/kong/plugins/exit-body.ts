import { definePlugin, Type } from '../../../sdk/sdk.ts'

const HEADERS = {
  'content-type': 'text/plain',
  'cache-control': 'public, max-age=3600',
  etag: '"bench"',
  date: 'Sun, 01 Mar 2026 12:00:00 GMT',
  age: '12',
  'cache-status': 'Sluice; hit; ttl=3588',
}

/** Asks nothing, and exits with the fields and body of a cache hit: below this no cache in a plugin server can come. */
export const plugin = definePlugin({
  name: 'exit-body',
  version: '1.0.0',
  priority: 906,
  config: Type.Object({ bytes: Type.Integer({ default: 100 }) }),
  instance: ({ bytes }) => Buffer.alloc(bytes, 'x'),
  phases: { access: (kong, { instance }) => kong.response.exit(200, instance, HEADERS) },
})
