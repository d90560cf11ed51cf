import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createKongWorker, type KongWorker } from '../support/kong-worker.ts'

const KILLS = 2
const LABELS = ['a', 'b', 'c']

describe('a plugin server that is killed under load', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-kill-'))
  const socket = path.join(folder, 'sluice.sock')
  let server: ChildProcess

  const start = async (number: number) => {
    const program = new URL('../support/servers/labelled-server.js', import.meta.url)
    server = fork(program, [socket, path.join(folder, 'spool'), String(number)])
    await once(server, 'message')
  }
  const kill = async () => {
    const gone = once(server, 'exit')
    server.kill('SIGKILL')
    await gone
  }
  after(async () => {
    await kill()
    rmSync(folder, { recursive: true, force: true })
  })

  for (const protocol of ['ProtoBuf:1', 'MsgPack:1'] as const)
    it(`serves again after its restart, and judges no request by another configuration (${protocol})`, async function () {
      this.timeout(60_000)
      await start(0)
      const workers: (readonly [label: string, worker: KongWorker])[] = LABELS.map(label => [
        label,
        createKongWorker(protocol, socket, 'labelled', { label, __plugin_id: label, __seq__: 1 }),
      ])
      let stopped = false
      let wrong = 0
      let failed = 0
      const served = new Map<string, number>()
      const load = workers.flatMap(([label, worker]) =>
        Array.from({ length: 4 }, async () => {
          while (!stopped) {
            try {
              const { calls } = await worker.event('access', () => ({ id: 'c' }))
              const judged = String(Object.values(calls.at(-1)!.args[0] as object)[0])
              if (!judged.endsWith(` ${label}`)) wrong++
              served.set(judged, (served.get(judged) ?? 0) + 1)
            } catch {
              // Kong answers 500 while there is no server.
              failed++
              worker.reset({ label, __plugin_id: label, __seq__: 1 })
              await new Promise(resolve => setTimeout(resolve, 10))
            }
          }
        }),
      )
      for (let number = 0; number <= KILLS; number++) {
        while (LABELS.some(label => (served.get(`${number} ${label}`) ?? 0) < 100))
          await new Promise(resolve => setTimeout(resolve, 5))
        if (number === KILLS) break
        await kill()
        // The order in which the configurations are started anew must not matter.
        workers.reverse()
        await start(number + 1)
      }
      stopped = true
      await Promise.all(load)
      for (const [, worker] of workers) worker.close()
      assert.equal(wrong, 0)
      assert.ok(failed > 0, 'there was load while no server was there')
      await kill()
    })

  it('changes to the new configuration at once when Kong does, while it lives', async () => {
    await start(9)
    const worker = createKongWorker('ProtoBuf:1', socket, 'labelled', {
      label: 'old',
      __plugin_id: 'p',
      __seq__: 1,
    })
    const label = async () => Object.values((await worker.event('access')).calls.at(-1)!.args[0] as object)[0]
    assert.equal(await label(), '9 old')
    // A restarted Kong: the same plugin and sequence, another configuration.
    worker.reset({ label: 'new', __plugin_id: 'p', __seq__: 1 })
    assert.equal(await label(), '9 new')
    worker.reset({ label: 'old', __plugin_id: 'p', __seq__: 1 })
    assert.equal(await label(), '9 old')
    worker.close()
  })
})
