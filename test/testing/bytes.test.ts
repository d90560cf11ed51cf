import assert from 'node:assert/strict'
import { definePlugin, Type } from '../../sdk/sdk.ts'
import { startHarness } from '../../testing/harness.ts'

/** Every byte, and sequences that UTF-8 does not know. */
const BYTES = Buffer.from([...Array.from({ length: 256 }, (_, byte) => byte), 0xc3, 0x28, 0xed, 0xa0, 0x80])
const reversed = (bytes: Uint8Array) => Uint8Array.from(bytes).reverse()

const turner = definePlugin({
  name: 'turner',
  version: '1.0.0',
  priority: 1,
  config: Type.Object({}),
  phases: {
    async access(kong) {
      const body = await kong.request.getRawBody()
      if ((await kong.request.getPath()) === '/exit') kong.response.exit(200, reversed(body))
      kong.service.request.setRawBody(reversed(body))
    },
  },
})

const holder = definePlugin({
  name: 'holder',
  version: '1.0.0',
  priority: 1,
  config: Type.Object({}),
  phases: {
    async response(kong) {
      kong.response.exit(200, reversed(await kong.service.response.getRawBody()))
    },
  },
})

for (const protocol of ['ProtoBuf:1', 'MsgPack:1'] as const)
  describe(`a body of any bytes over ${protocol}`, () => {
    it('reaches the plugin, the service and the client as it is', async () => {
      const kong = await startHarness(turner, { protocol })
      const options = { method: 'POST', body: BYTES }
      assert.deepEqual((await kong.request('/exit', options)).bytes, Buffer.from(reversed(BYTES)))
      assert.deepEqual((await kong.request('/on', options)).upstream?.bytes, Buffer.from(reversed(BYTES)))
      await kong.close()
    })

    it('comes from the service as it is', async () => {
      const kong = await startHarness(holder, { protocol, upstream: () => ({ body: BYTES }) })
      assert.deepEqual((await kong.request('/')).bytes, Buffer.from(reversed(BYTES)))
      await kong.close()
    })
  })
