import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { freePorts } from '../../../ops/local/ports.ts'

describe('free ports', () => {
  it('are none that the kernel gives to a connection by itself, and differ even when asked for at once', async () => {
    const ports = (await Promise.all([freePorts(20), freePorts(20), freePorts(20)])).flat()
    assert.equal(new Set(ports).size, 60)
    assert.ok(Math.max(...ports) < 32_768)
  })

  it('leave out one that somebody listens on', async () => {
    const [port = 0] = await freePorts(1)
    const holder = createServer().listen(port + 1, '127.0.0.1')
    await once(holder, 'listening')
    const next = await freePorts(2)
    holder.close()
    assert.ok(!next.includes(port + 1))
  })
})
