import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import type { SluiceError } from '../../../../foundation/errors.ts'
import { freePorts } from '../../../../ops/local/ports.ts'
import { checkPorts, holderOf, PORTS, type Ports, readPorts } from '../../../../ops/local/up/ports.ts'

describe('the ports of `make up`', () => {
  it('are the documented ones, unless the environment names others', () => {
    const { proxy, admin, http, sample, control } = readPorts({})
    assert.deepEqual([proxy, admin, http, sample, control], [8000, 8001, 9542, 9550, 9551])
    assert.equal(readPorts({ SLUICE_UP_PROXY_PORT: '18000' }).proxy, 18_000)
  })

  it('are refused when they are no ports, or one twice, all problems at once', () => {
    assert.throws(
      () =>
        readPorts({ SLUICE_UP_PROXY_PORT: '80000', SLUICE_UP_ADMIN_PORT: '9542', SLUICE_UP_HTTP_PORT: 'x' }),
      (error: SluiceError) => {
        assert.equal(error.code, 'SLUICE_CONFIG_INVALID')
        assert.match(error.message, /SLUICE_UP_PROXY_PORT: 80000 is not a port/)
        assert.match(error.message, /SLUICE_UP_HTTP_PORT: x is not a port/)
        return true
      },
    )
    assert.throws(
      () => readPorts({ SLUICE_UP_ADMIN_PORT: '8000' }),
      /SLUICE_UP_ADMIN_PORT: 8000 is also the port of SLUICE_UP_PROXY_PORT/,
    )
  })

  it('are read together with the other variables of `make up`, whose mistakes are named', () => {
    const good = {
      SLUICE_UP_SAMPLES: 'off',
      SLUICE_UP_OBSERVE: 'on',
      SLUICE_UP_JASON_KEY: 'x',
      SLUICE_UP_FOLDER: 'f',
    }
    assert.equal(readPorts(good).proxy, 8000)
    assert.throws(
      () => readPorts({ SLUICE_UP_PROXY_PROT: '8123', SLUICE_UP_SAMPLES: 'of' }),
      /SLUICE_UP_SAMPLES: of is neither on nor off\n {2}SLUICE_UP_PROXY_PROT: is not a setting of `make up`; did you mean SLUICE_UP_PROXY_PORT\?$/,
    )
  })

  describe('one of which is taken', () => {
    let holder: Server
    let port: number
    before(async () => {
      holder = createServer().listen(0, '127.0.0.1')
      await once(holder, 'listening')
      port = (holder.address() as AddressInfo).port
    })
    after(() => holder.close())

    it('are named with who holds it and the variable for another', async () => {
      const free = await freePorts(Object.keys(PORTS).length)
      const ports = Object.fromEntries(
        Object.keys(PORTS).map((name, index) => [
          name,
          index === 1 ? port : free[index > 1 ? index - 1 : 0]!,
        ]),
      ) as unknown as Ports
      await assert.rejects(checkPorts(ports), (error: SluiceError) => {
        assert.equal(error.code, 'SLUICE_PORT_IN_USE')
        assert.equal(error.message.split('\n').length, 1)
        assert.match(
          error.message,
          new RegExp(`^port ${port} .*Admin API.* process ${process.pid} .*SLUICE_UP_ADMIN_PORT`),
        )
        return true
      })
    })

    it('tell the process that listens', () => {
      assert.equal(holderOf(port)?.pid, process.pid)
    })
  })
})
